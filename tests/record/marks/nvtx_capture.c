/* A tool for NVTX that writes what it is told to the file in COMMSCOPE_NVTX_LOG: the smallest stand-in for nsys.
 * Built by test_nvtx.py, loaded through NVTX_INJECTION64_PATH. Layouts and ids follow NVTX 3, nvToolsExt.h and nvtxTypes.h. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ETID_CALLBACKS = 1, MODULE_CORE2 = 5 };
enum { PUSH_EX = 4, POP = 5, NAME_CATEGORY_A = 8, REGISTER_STRING_A = 10, DOMAIN_CREATE_A = 12 };
enum { MESSAGE_ASCII = 1, MESSAGE_REGISTERED = 3 };

typedef struct {
    uint16_t version, size;
    uint32_t category;
    int32_t color_type;
    uint32_t color;
    int32_t payload_type, reserved;
    int64_t payload;
    int32_t message_type;
    const char *message;
} Attributes;

typedef void (*Function)(void);
typedef struct {
    size_t struct_size;
    int (*module_functions)(int module, Function ***table, unsigned int *size);
} Callbacks;

static FILE *log_file;

static void *domain_create(const char *name) { return strdup(name); }
static void *register_string(void *domain, const char *text) { (void)domain; return strdup(text); }
static void name_category(void *domain, uint32_t id, const char *name) {
    fprintf(log_file, "category\t%s\t%u\t%s\n", (char *)domain, id, name);
    fflush(log_file);
}
static int push(void *domain, const Attributes *a) {
    const char *text = a->message_type == MESSAGE_ASCII || a->message_type == MESSAGE_REGISTERED ? a->message : "?";
    fprintf(log_file, "push\t%s\t%u\t%s\t%d\t%lld\n", (char *)domain, a->category, text, a->payload_type,
            (long long)a->payload);
    fflush(log_file);
    return 0;
}
static int pop(void *domain) {
    fprintf(log_file, "pop\t%s\n", (char *)domain);
    fflush(log_file);
    return 0;
}

int InitializeInjectionNvtx2(const void *(*export_table)(uint32_t)) {
    const Callbacks *callbacks = export_table(ETID_CALLBACKS);
    Function **table = NULL;
    unsigned int size = 0;
    log_file = fopen(getenv("COMMSCOPE_NVTX_LOG"), "w");
    if (!log_file || !callbacks || !callbacks->module_functions(MODULE_CORE2, &table, &size)) return 0;
    *table[PUSH_EX] = (Function)push;
    *table[POP] = (Function)pop;
    *table[NAME_CATEGORY_A] = (Function)name_category;
    *table[REGISTER_STRING_A] = (Function)register_string;
    *table[DOMAIN_CREATE_A] = (Function)domain_create;
    return 1;
}
