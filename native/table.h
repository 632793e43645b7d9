/* A table from bytes to numbers. Keys are copied; nothing is taken out again. */
#ifndef COMMSCOPE_TABLE_H
#define COMMSCOPE_TABLE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    uint64_t hash;
    char *key;
    uint32_t size;
    int32_t number, extra;
} Entry;

typedef struct {
    Entry *entries;
    size_t room, used; /* room is a power of two, at least twice as many as used */
} Table;

static inline uint64_t hash_of(const char *p, size_t size) {
    uint64_t sum = size * 0x9E3779B97F4A7C15u, part;
    for (; size >= 8; p += 8, size -= 8) {
        memcpy(&part, p, 8);
        sum = (sum ^ part) * 0xD6E8FEB86659FD93u;
        sum ^= sum >> 32;
    }
    part = 0;
    memcpy(&part, p, size);
    sum = (sum ^ part) * 0xD6E8FEB86659FD93u;
    sum ^= sum >> 32;
    sum *= 0xD6E8FEB86659FD93u;
    return sum ^ (sum >> 29);
}

/* The entry of a key, or the free one where it belongs. */
static inline Entry *place_in(const Table *table, const char *key, size_t size, uint64_t hash) {
    for (size_t at = hash & (table->room - 1);; at = (at + 1) & (table->room - 1)) {
        Entry *entry = table->entries + at;
        if (!entry->key) return entry;
        if (entry->hash == hash && entry->size == size && !memcmp(entry->key, key, size)) return entry;
    }
}

static inline const Entry *found_in(const Table *table, const char *key, size_t size, uint64_t hash) {
    if (!table->room) return NULL;
    Entry *entry = place_in(table, key, size, hash);
    return entry->key ? entry : NULL;
}

static int grow(Table *table) {
    Table wider = {calloc(table->room ? 2 * table->room : 1024, sizeof(Entry)), table->room ? 2 * table->room : 1024, table->used};
    if (!wider.entries) return -1;
    for (size_t at = 0; at < table->room; at++) {
        const Entry *entry = table->entries + at;
        if (entry->key) *place_in(&wider, entry->key, entry->size, entry->hash) = *entry;
    }
    free(table->entries);
    *table = wider;
    return 0;
}

/* Puts in a key that is not there; NULL where memory is short. */
static const Entry *put_in(Table *table, const char *key, size_t size, uint64_t hash, int32_t number, int32_t extra) {
    if (2 * table->used >= table->room && grow(table)) return NULL;
    char *copy = malloc(size + 1);
    if (!copy) return NULL;
    memcpy(copy, key, size);
    Entry *entry = place_in(table, key, size, hash);
    *entry = (Entry){hash, copy, (uint32_t)size, number, extra};
    table->used++;
    return entry;
}

static void empty(Table *table) {
    for (size_t at = 0; at < table->room; at++) free(table->entries[at].key);
    free(table->entries);
    *table = (Table){NULL, 0, 0};
}

#endif
