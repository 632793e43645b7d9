/* Kernels of graphs: nodes 0 to n-1, edges of node v at first[v] to first[v + 1]. As the Python beside them. */
#include "core.h"

typedef struct {
    Py_buffer view;
    int64_t *at;
    Py_ssize_t size;
} Numbers;

static int take_numbers(PyObject *from, Numbers *to, int flags) {
    if (PyObject_GetBuffer(from, &to->view, flags)) return -1;
    to->at = to->view.buf;
    to->size = to->view.len / 8;
    if (to->view.len % 8 == 0) return 0;
    PyBuffer_Release(&to->view);
    PyErr_SetString(PyExc_ValueError, "int64 is wanted");
    return -1;
}

/* Buffers of int64 of all arguments but the last `rest`, of which the first `writable` may be written. */
static int take_all(PyObject *args, Numbers *to, int count, int written) {
    for (int at = 0; at < count; at++) {
        if (take_numbers(PyTuple_GetItem(args, at), to + at, at == written ? PyBUF_WRITABLE : PyBUF_SIMPLE)) {
            while (at--) PyBuffer_Release(&to[at].view);
            return -1;
        }
    }
    return 0;
}

static void release_all(Numbers *numbers, int count) {
    for (int at = 0; at < count; at++) PyBuffer_Release(&numbers[at].view);
}

/* Whether `first` counts through `edges` edges and all of `ends` are nodes. */
static int is_graph(const Numbers *first, const Numbers *ends) {
    Py_ssize_t nodes = first->size - 1;
    if (nodes < 0 || first->at[0] != 0 || first->at[nodes] != ends->size) return 0;
    for (Py_ssize_t node = 0; node < nodes; node++)
        if (first->at[node] > first->at[node + 1]) return 0;
    for (Py_ssize_t edge = 0; edge < ends->size; edge++)
        if (ends->at[edge] < 0 || ends->at[edge] >= nodes) return 0;
    return 1;
}

static PyObject *wrong(void) { return PyErr_SetString(PyExc_ValueError, "not a graph"), NULL; }

static PyObject *handed_over(int64_t *memory, Py_ssize_t size) {
    PyObject *column = core_column((char *)memory, (size_t)size * 8);
    if (!column) free(memory);
    return column;
}

/* Kahn's order; nodes on or behind cycles are left out. `waiting` are in-degrees, used up. */
static PyObject *topological(PyObject *module, PyObject *args) {
    Numbers in[3]; /* first, target, waiting */
    PyObject *result = NULL;
    (void)module;
    if (PyTuple_Size(args) != 3) return PyErr_SetString(PyExc_TypeError, "first, target, waiting"), NULL;
    if (take_all(args, in, 3, 2)) return NULL;
    Py_ssize_t nodes = in[0].size - 1, found = 0;
    int64_t *order = is_graph(in, in + 1) && in[2].size == nodes ? malloc(((size_t)nodes + 1) * 8) : NULL;
    if (!order) {
        wrong();
    } else {
        const int64_t *first = in[0].at, *target = in[1].at;
        int64_t *waiting = in[2].at;
        for (Py_ssize_t node = 0; node < nodes; node++)
            if (waiting[node] == 0) order[found++] = node;
        for (Py_ssize_t at = 0; at < found; at++)
            for (int64_t edge = first[order[at]]; edge < first[order[at] + 1]; edge++)
                if (--waiting[target[edge]] == 0 && found < nodes) order[found++] = target[edge];
        result = handed_over(order, found);
    }
    release_all(in, 3);
    return result;
}

/* Latest times of some nodes, given in order, that keep `end`; `known` are as many as all nodes, all NOT before and after. */
#define NOT INT64_MIN
static PyObject *latest(PyObject *module, PyObject *args) {
    Numbers in[5]; /* known, first, target, weight, nodes */
    PyObject *result = NULL;
    int64_t *limits = NULL;
    (void)module;
    if (PyTuple_Size(args) != 6) return PyErr_SetString(PyExc_TypeError, "known, first, target, weight, nodes, end"), NULL;
    long long end = PyLong_AsLongLong(PyTuple_GetItem(args, 5));
    if (end == -1 && PyErr_Occurred()) return NULL;
    if (take_all(args, in, 5, 0)) return NULL;
    int64_t *known = in[0].at;
    Py_ssize_t all = in[0].size, count = in[4].size;
    int fine = in[1].size == all + 1 && in[2].size == in[3].size && (!all || in[1].at[all] == in[2].size);
    for (Py_ssize_t at = 0; fine && at < count; at++) fine = in[4].at[at] >= 0 && in[4].at[at] < all;
    if (fine && (limits = malloc(((size_t)count + 1) * 8))) {
        for (Py_ssize_t at = 0; at < count; at++) known[in[4].at[at]] = end;
        for (Py_ssize_t at = count - 1; at >= 0; at--) {
            int64_t node = in[4].at[at], limit = end, sum;
            for (int64_t edge = in[1].at[node]; edge < in[1].at[node + 1]; edge++) {
                int64_t target = in[2].at[edge];
                if (target < 0 || target >= all || known[target] == NOT) continue;
                if (__builtin_sub_overflow(known[target], in[3].at[edge], &sum)) fine = 0;
                else if (sum < limit) limit = sum;
            }
            known[node] = limits[at] = limit;
        }
        for (Py_ssize_t at = 0; at < count; at++) known[in[4].at[at]] = NOT;
    }
    if (!fine) wrong();
    else if (!limits) PyErr_NoMemory();
    else result = handed_over(limits, count);
    if (!fine) free(limits);
    release_all(in, 5);
    return result;
}

typedef struct {
    int64_t *path, *owner;
    size_t used, room;
} Pieces;

static int add_piece(Pieces *pieces, int64_t path, int64_t owner) {
    if (pieces->used == pieces->room) {
        size_t room = pieces->room ? 2 * pieces->room : 1024;
        int64_t *wider = realloc(pieces->path, room * 8);
        if (!wider) return -1;
        pieces->path = wider;
        if (!(wider = realloc(pieces->owner, room * 8))) return -1;
        pieces->owner = wider;
        pieces->room = room;
    }
    pieces->path[pieces->used] = path;
    pieces->owner[pieces->used++] = owner;
    return 0;
}

/* What each path of a tree stands for, in order: `edges + i` stands for first[i] and then second[i]. */
static int expand_all(const Numbers *in, int64_t edges, Pieces *pieces) {
    size_t room = 256, depth;
    int64_t *stack = malloc(room * 8);
    for (Py_ssize_t at = 0; stack && at < in[2].size; at++) {
        stack[0] = in[2].at[at];
        for (depth = 1; depth;) {
            int64_t path = stack[--depth], inner = path - edges;
            if (inner < 0) {
                if (add_piece(pieces, path, in[3].at[at])) goto failed;
                continue;
            }
            /* A composite stands for older ones only, so this ends. */
            if (inner >= in[0].size || in[0].at[inner] >= path || in[1].at[inner] >= path) goto failed;
            if (depth + 2 > room) {
                int64_t *wider = realloc(stack, 2 * room * 8);
                if (!wider) goto failed;
                stack = wider;
                room *= 2;
            }
            stack[depth++] = in[1].at[inner];
            stack[depth++] = in[0].at[inner];
        }
    }
    free(stack);
    return stack ? 0 : -1;
failed:
    free(stack);
    return -1;
}

static PyObject *expand(PyObject *module, PyObject *args) {
    Numbers in[4]; /* first, second, path, owner */
    Pieces pieces = {NULL, NULL, 0, 0};
    PyObject *result = NULL;
    (void)module;
    if (PyTuple_Size(args) != 5) return PyErr_SetString(PyExc_TypeError, "first, second, path, owner, edges"), NULL;
    long long edges = PyLong_AsLongLong(PyTuple_GetItem(args, 4));
    if (edges == -1 && PyErr_Occurred()) return NULL;
    if (take_all(args, in, 4, -1)) return NULL;
    if (in[0].size != in[1].size || in[2].size != in[3].size || expand_all(in, edges, &pieces)) {
        free(pieces.path);
        free(pieces.owner);
        wrong();
    } else {
        PyObject *path = handed_over(pieces.path, (Py_ssize_t)pieces.used), *owner = NULL;
        if (path) owner = handed_over(pieces.owner, (Py_ssize_t)pieces.used);
        else free(pieces.owner);
        result = owner ? PyTuple_Pack(2, path, owner) : NULL;
        Py_XDECREF(path);
        Py_XDECREF(owner);
    }
    release_all(in, 4);
    return result;
}

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__gnu_linux__) && !defined(__SANITIZE_ADDRESS__)
#define WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define WIDE
#endif

/* One step of Floyd's algorithm for one row: ways through a node that is `by` away. */
WIDE static void shorten(int64_t *restrict row, const int64_t *restrict through, int64_t by, Py_ssize_t count) {
    for (Py_ssize_t at = 0; at < count; at++) {
        int64_t sum = by + through[at];
        row[at] = sum < row[at] ? sum : row[at];
    }
}

/* All distances of a square matrix, in place; at `far` and beyond there is no way. */
static PyObject *shortest(PyObject *module, PyObject *args) {
    Numbers in[1];
    (void)module;
    if (PyTuple_Size(args) != 3) return PyErr_SetString(PyExc_TypeError, "matrix, count, far"), NULL;
    Py_ssize_t count = PyLong_AsSsize_t(PyTuple_GetItem(args, 1));
    long long far = PyLong_AsLongLong(PyTuple_GetItem(args, 2));
    if (PyErr_Occurred() || take_all(args, in, 1, 0)) return NULL;
    int fine = count >= 0 && count < 1 << 30 && in->size == count * count;
    if (fine) {
        Py_BEGIN_ALLOW_THREADS
        for (Py_ssize_t through = 0; through < count; through++)
            for (Py_ssize_t row = 0; row < count; row++) {
                int64_t by = in->at[row * count + through];
                if (by < far && row != through) shorten(in->at + row * count, in->at + through * count, by, count);
                else if (by < 0 && row == through) fine = 2; /* a cycle: its own row is both, which Python tells */
            }
        Py_END_ALLOW_THREADS
    }
    release_all(in, 1);
    return fine ? PyBool_FromLong(fine == 1) : wrong();
}

PyMethodDef core_graph_methods[] = {
    {"topological", topological, METH_VARARGS, "Nodes in Kahn's order, of first, target and in-degrees, which are used up."},
    {"latest", latest, METH_VARARGS, "Latest times of nodes that keep an end."},
    {"expand", expand, METH_VARARGS, "Paths of a tree as the edges they stand for, with the owner of each."},
    {"shortest", shortest, METH_VARARGS, "All distances of a matrix in place; False where a way leads back to where it began below zero."},
    {NULL, NULL, 0, NULL}};
