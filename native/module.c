/* The module, and memory of columns that Python can view without a copy. */
#include "core.h"

#define REVISION 3 /* as in commscope/core.py */

typedef struct {
    PyObject_HEAD
    char *memory;
    Py_ssize_t size;
} Column;

static PyObject *column_type; /* the one type of the one module of this process */

int core_set_column_type(PyObject *type) {
    column_type = type;
    return type ? 0 : -1;
}

PyObject *core_column(char *memory, size_t size) {
    allocfunc alloc = (allocfunc)PyType_GetSlot((PyTypeObject *)column_type, Py_tp_alloc);
    Column *self = (Column *)alloc((PyTypeObject *)column_type, 0);
    if (!self) return NULL;
    char *fitting = memory ? realloc(memory, size ? size : 1) : malloc(1);
    self->memory = fitting ? fitting : memory;
    self->size = (Py_ssize_t)size;
    return (PyObject *)self;
}

static int get_buffer(Column *self, Py_buffer *view, int flags) {
    return PyBuffer_FillInfo(view, (PyObject *)self, self->memory, self->size, 0, flags);
}

static void dealloc(Column *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    free(self->memory);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyType_Slot SLOTS[] = {{Py_tp_doc, "Memory of one column."}, {Py_tp_dealloc, dealloc}, {Py_bf_getbuffer, get_buffer}, {0, NULL}};
PyType_Spec core_column_spec = {"commscope._core.Column", sizeof(Column), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, SLOTS};

static struct PyModuleDef MODULE = {PyModuleDef_HEAD_INIT, "commscope._core",
    "The compiled core: what commscope does in Python too, faster.", -1, NULL, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__core(void) {
    PyObject *module = PyModule_Create(&MODULE);
    if (!module) return NULL;
    PyObject *column = PyType_FromSpec(&core_column_spec), *scanner = PyType_FromSpec(&core_scanner_spec);
    if (!column || !scanner || core_set_column_type(column) || PyModule_AddObjectRef(module, "Scanner", scanner) ||
        PyModule_AddIntConstant(module, "REVISION", REVISION) ||
        PyModule_AddFunctions(module, core_order_methods) || PyModule_AddFunctions(module, core_graph_methods)) {
        Py_XDECREF(column);
        Py_XDECREF(scanner);
        Py_DECREF(module);
        return NULL;
    }
    Py_DECREF(scanner);
    return module;
}
