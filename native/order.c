/* Orders of rows: natural merge sort, for traces are a few sorted stretches one after another. */
#include "core.h"

typedef struct {
    const int64_t *start, *end;
} Keys;

/* Whether row `b` must stand before row `a`: earlier, or as early and longer. */
static inline int before(const Keys *keys, int64_t b, int64_t a) {
    if (keys->start[b] != keys->start[a]) return keys->start[b] < keys->start[a];
    return keys->end[b] > keys->end[a];
}

static void merge(const Keys *keys, const int64_t *from, size_t low, size_t middle, size_t high, int64_t *to) {
    size_t one = low, two = middle, at = low;
    while (one < middle && two < high) to[at++] = before(keys, from[two], from[one]) ? from[two++] : from[one++];
    while (one < middle) to[at++] = from[one++];
    while (two < high) to[at++] = from[two++];
}

/* Sorts `rows` by stretches that rise; `spare` is as long. Gives where the answer lies, NULL without memory. */
static int64_t *sorted(const Keys *keys, int64_t *rows, int64_t *spare, size_t count) {
    size_t stretches = 1;
    for (size_t at = 1; at < count; at++) stretches += before(keys, (int64_t)at, (int64_t)at - 1);
    size_t *ends = malloc((stretches + 1) * sizeof(size_t));
    if (!ends) return NULL;
    size_t found = 0;
    for (size_t at = 1; at < count; at++)
        if (before(keys, (int64_t)at, (int64_t)at - 1)) ends[found++] = at;
    ends[found++] = count;
    while (found > 1) {
        size_t low = 0, left = 0;
        for (size_t at = 0; at < found; at += 2) {
            size_t middle = ends[at], high = at + 1 < found ? ends[at + 1] : middle;
            merge(keys, rows, low, middle, high, spare);
            ends[left++] = low = high;
        }
        int64_t *swap = rows;
        rows = spare;
        spare = swap;
        found = left;
    }
    free(ends);
    return rows;
}

static PyObject *order(PyObject *module, PyObject *args) {
    Py_buffer start, end;
    PyObject *result = NULL;
    (void)module;
    if (!PyArg_ParseTuple(args, "y*y*", &start, &end)) return NULL;
    size_t count = (size_t)start.len / 8;
    int64_t *rows = malloc((count + 1) * 8), *spare = malloc((count + 1) * 8), *answer = NULL;
    if (start.len != end.len || start.len % 8) {
        PyErr_SetString(PyExc_ValueError, "starts and ends must be as many int64");
    } else if (rows && spare) {
        const Keys keys = {start.buf, end.buf};
        Py_BEGIN_ALLOW_THREADS
        for (size_t at = 0; at < count; at++) rows[at] = (int64_t)at;
        answer = sorted(&keys, rows, spare, count);
        Py_END_ALLOW_THREADS
        result = answer ? core_column((char *)answer, count * 8) : NULL;
    }
    if (!result) {
        free(rows);
        free(spare);
        if (!PyErr_Occurred()) PyErr_NoMemory();
    } else {
        free(answer == rows ? spare : rows);
    }
    PyBuffer_Release(&start);
    PyBuffer_Release(&end);
    return result;
}

PyMethodDef core_order_methods[] = {
    {"order", order, METH_VARARGS, "Rows by (start, -end), of equal ones the first first: bytes of int64 in, int64 out."},
    {NULL, NULL, 0, NULL}};
