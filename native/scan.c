/* Scanner: text of events in, columns of complete events out.
 *
 * A text is parsed whole before anything of it is kept, so an odd one leaves no trace and can be read by others.
 * What is new - a name, a place, facts of communication - is asked of Python once and known from then on.
 */
#include "core.h"
#include "event.h"
#include "table.h"

enum { START, LENGTH, KIND, NAME, LANE, COMM, FIRST_NUMBER, COLUMNS = FIRST_NUMBER + NUMBERS };
#define MOST_LANES (1 << 22)
#define MOST_FACTS (1 << 14) /* kept; most speak of one collective only and do not come again */
static const size_t WIDTH[COLUMNS] = {8, 8, 1, 4, 4, 4, 8, 8, 8, 8, 8};

typedef struct {
    PyObject_HEAD
    Table names, places, facts;
    PyObject *name_of, *place_of, *fact_of; /* (raw name) -> (id, speaks); (pid, tid, cat, device, stream) -> (kind, lane); (text) -> id */
    Row *rows;                              /* of the text at hand */
    size_t rows_room;
    char *columns[COLUMNS];
    size_t used, room;
    int64_t *others; /* events of kinds that are not used, by place */
    size_t places_room;
    int64_t negative, missing;
    PyObject *syncs;
    char *key;
    size_t key_room;
    int sync_kind, busy;
} Scanner;

static int room_for(Scanner *self, size_t more) {
    if (self->used + more <= self->room) return 0;
    size_t room = self->room ? self->room + self->room / 2 : 4096;
    while (room < self->used + more) room *= 2;
    for (int at = 0; at < COLUMNS; at++) {
        char *wider = realloc(self->columns[at], room * WIDTH[at]);
        if (!wider) return -1;
        self->columns[at] = wider;
    }
    self->room = room;
    return 0;
}

/* Events of a text, comma between them; -1 odd, -2 no memory. */
static Py_ssize_t parse(Scanner *self, const char *p, const char *end) {
    size_t found = 0;
    p = spaces(p, end);
    for (;;) {
        if (found == self->rows_room) {
            size_t room = self->rows_room ? 2 * self->rows_room : 1024;
            Row *wider = realloc(self->rows, room * sizeof(Row));
            if (!wider) return -2;
            self->rows = wider;
            self->rows_room = room;
        }
        if (!(p = event(p, end, self->rows + found))) return -1;
        found++;
        p = spaces(p, end);
        if (p == end) return (Py_ssize_t)found;
        if (*p != ',') return -1;
        p = spaces(p + 1, end);
    }
}

static PyObject *bytes_of(Span span) { return PyBytes_FromStringAndSize(span.at ? span.at : "", span.size); }

static int two_numbers(PyObject *pair, int32_t *first, int32_t *second) {
    int one = 0, two = 0;
    if (!pair) return -1;
    int fine = PyTuple_Check(pair) ? PyArg_ParseTuple(pair, "ii", &one, &two) : (PyErr_SetString(PyExc_TypeError, "no pair"), 0);
    Py_DECREF(pair);
    *first = one;
    *second = two;
    return fine ? 0 : -1;
}

static const Entry *name_of(Scanner *self, Span name) {
    uint64_t hash = hash_of(name.at ? name.at : "", name.size);
    const Entry *known = found_in(&self->names, name.at ? name.at : "", name.size, hash);
    int32_t number, speaks;
    if (known) return known;
    PyObject *raw = bytes_of(name);
    if (!raw) return NULL;
    PyObject *pair = PyObject_CallFunctionObjArgs(self->name_of, raw, NULL);
    Py_DECREF(raw);
    if (two_numbers(pair, &number, &speaks)) return NULL;
    known = put_in(&self->names, name.at ? name.at : "", name.size, hash, number, speaks);
    if (!known) PyErr_NoMemory();
    return known;
}

static int key_room(Scanner *self, size_t size) {
    if (size <= self->key_room) return 0;
    char *wider = realloc(self->key, 2 * size);
    if (!wider) return PyErr_NoMemory(), -1;
    self->key = wider;
    self->key_room = 2 * size;
    return 0;
}

static const Entry *learn_place(Scanner *self, const Row *row, size_t size, uint64_t hash) {
    int32_t kind, lane;
    PyObject *pair = PyObject_CallFunction(self->place_of, "y#y#y#y#y#", row->pid.at, (Py_ssize_t)row->pid.size, row->tid.at,
                                           (Py_ssize_t)row->tid.size, row->cat.at, (Py_ssize_t)row->cat.size, row->device.at,
                                           (Py_ssize_t)row->device.size, row->stream.at, (Py_ssize_t)row->stream.size);
    if (two_numbers(pair, &kind, &lane)) return NULL;
    if (lane >= MOST_LANES) return PyErr_SetString(PyExc_OverflowError, "too many lanes"), NULL;
    if (self->places.used == self->places_room) {
        size_t room = self->places_room ? 2 * self->places_room : 64;
        int64_t *wider = realloc(self->others, room * sizeof(int64_t));
        if (!wider) return PyErr_NoMemory(), NULL;
        memset(wider + self->places_room, 0, (room - self->places_room) * sizeof(int64_t));
        self->others = wider;
        self->places_room = room;
    }
    /* kind and lane share a number, for the other one says which place this is */
    int32_t packed = kind < 0 ? -1 : (int32_t)((uint32_t)lane << 8 | (uint32_t)kind);
    const Entry *entry = put_in(&self->places, self->key, size, hash, packed, (int32_t)self->places.used);
    if (!entry) PyErr_NoMemory();
    return entry;
}

/* Process, thread and category decide kind and lane; a line feed parts them, for no text holds one. */
static const Entry *place_of(Scanner *self, const Row *row) {
    size_t size = (size_t)row->pid.size + row->tid.size + row->cat.size + 2;
    if (key_room(self, size)) return NULL;
    char *to = self->key;
    if (row->pid.size) memcpy(to, row->pid.at, row->pid.size);
    to += row->pid.size;
    *to++ = '\n';
    if (row->tid.size) memcpy(to, row->tid.at, row->tid.size);
    to += row->tid.size;
    *to++ = '\n';
    if (row->cat.size) memcpy(to, row->cat.at, row->cat.size);
    uint64_t hash = hash_of(self->key, size);
    const Entry *known = found_in(&self->places, self->key, size, hash);
    return known ? known : learn_place(self, row, size, hash);
}

/* Arguments that differ from event to event and say nothing of communication. */
static int is_private(Span name) {
    static const char *const NAMES[] = {"External id", "Record function id", "Ev Idx", "correlation", "Sequence number",
        "Fwd thread id", "device", "stream", "context", "queued", "grid", "block", "warps per SM", "blocks per SM",
        "shared memory", "registers per thread", "est. achieved occupancy %", "Call stack", "Python id",
        "Python parent id", "Python module id", "cbid", NULL};
    for (const char *const *one = NAMES; *one; one++)
        if (strlen(*one) == name.size && !memcmp(*one, name.at, name.size)) return 1;
    return 0;
}

/* Name and arguments without the private ones, which is all that facts are made of. */
static Py_ssize_t facts_key(Scanner *self, const Row *row) {
    if (key_room(self, (size_t)row->name.size + row->args.size + 1)) return -1;
    char *to = self->key;
    if (row->name.size) memcpy(to, row->name.at, row->name.size);
    to += row->name.size;
    if (!row->args.at) return to - self->key;
    const char *p = spaces(row->args.at + 1, row->args.at + row->args.size), *end = row->args.at + row->args.size;
    while (*p != '}') {
        Span name = {NULL, 0};
        const char *from = p;
        p = value(key(p, end, &name), end, 2);
        if (!is_private(name)) {
            memcpy(to, from, (size_t)(p - from));
            to += p - from;
        }
        if (!more(&p, end, '}')) break;
    }
    return to - self->key;
}

static int comm_of(Scanner *self, const Row *row, int32_t *comm) {
    Py_ssize_t size = facts_key(self, row);
    if (size < 0) return -1;
    uint64_t hash = hash_of(self->key, (size_t)size);
    const Entry *known = found_in(&self->facts, self->key, (size_t)size, hash);
    if (known) {
        *comm = known->number;
        return 0;
    }
    PyObject *answer = PyObject_CallFunction(self->fact_of, "y#y#", row->name.at, (Py_ssize_t)row->name.size, row->args.at,
                                             (Py_ssize_t)row->args.size);
    if (!answer) return -1;
    long number = PyLong_AsLong(answer);
    Py_DECREF(answer);
    if (number == -1 && PyErr_Occurred()) return -1;
    *comm = (int32_t)number;
    if (self->facts.used < MOST_FACTS && !put_in(&self->facts, self->key, (size_t)size, hash, *comm, 0)) return PyErr_NoMemory(), -1;
    return 0;
}

static int note_sync(Scanner *self, const Row *row) {
    PyObject *pair = Py_BuildValue("ny#", (Py_ssize_t)self->used, row->args.at, (Py_ssize_t)row->args.size);
    int failed = !pair || PyList_Append(self->syncs, pair);
    Py_XDECREF(pair);
    return failed ? -1 : 0;
}

static int keep_row(Scanner *self, const Row *row) {
    self->negative += row->negative;
    self->missing += row->missing;
    const Entry *place = place_of(self, row);
    if (!place) return -1;
    if (place->number < 0) {
        self->others[place->extra]++;
        return 0;
    }
    uint8_t kind = (uint8_t)(place->number & 255);
    int32_t lane = place->number >> 8, comm = -1;
    const Entry *name = name_of(self, row->name);
    if (!name) return -1;
    int32_t name_id = name->number;
    if (kind == self->sync_kind) {
        if (note_sync(self, row)) return -1;
    } else if ((row->collective || name->extra) && comm_of(self, row, &comm)) {
        return -1;
    }
    size_t at = self->used++;
    ((int64_t *)self->columns[START])[at] = row->start_ns;
    ((int64_t *)self->columns[LENGTH])[at] = row->length_ns;
    ((uint8_t *)self->columns[KIND])[at] = kind;
    ((int32_t *)self->columns[NAME])[at] = name_id;
    ((int32_t *)self->columns[LANE])[at] = lane;
    ((int32_t *)self->columns[COMM])[at] = comm;
    for (int one = 0; one < NUMBERS; one++) ((int64_t *)self->columns[FIRST_NUMBER + one])[at] = row->numbers[one];
    return 0;
}

static int is_beside(const Row *row) {
    if (row->phase == 'i') return row->escaped_name || (row->name.size == 10 && !memcmp(row->name.at, "\"[memory]\"", 10));
    return row->phase && strchr("MBEben", row->phase) != NULL;
}

static PyObject *keep(Scanner *self, size_t rows) {
    PyObject *beside = PyList_New(0);
    if (!beside) return NULL;
    for (size_t at = 0; at < rows; at++) {
        const Row *row = self->rows + at;
        if (row->phase == 'X') {
            if (keep_row(self, row)) return Py_DECREF(beside), NULL;
        } else if (is_beside(row)) {
            PyObject *text = bytes_of(row->text);
            int failed = !text || PyList_Append(beside, text);
            Py_XDECREF(text);
            if (failed) return Py_DECREF(beside), NULL;
        }
    }
    return beside;
}

static PyObject *scan(Scanner *self, PyObject *text) {
    Py_buffer view;
    PyObject *result = NULL;
    Py_ssize_t rows;
    if (self->busy) return PyErr_SetString(PyExc_RuntimeError, "the scanner is at work"), NULL;
    if (PyObject_GetBuffer(text, &view, PyBUF_SIMPLE)) return NULL;
    self->busy = 1;
    if (view.len >= UINT32_MAX) {
        rows = -1;
    } else {
        Py_BEGIN_ALLOW_THREADS
        rows = parse(self, view.buf, (const char *)view.buf + view.len);
        Py_END_ALLOW_THREADS
    }
    if (rows == -1) result = Py_NewRef(Py_None);
    else if (rows < 0 || room_for(self, (size_t)rows)) PyErr_NoMemory();
    else result = keep(self, (size_t)rows);
    self->busy = 0;
    PyBuffer_Release(&view);
    return result;
}

static PyObject *take(Scanner *self, PyObject *ignored) {
    (void)ignored;
    if (self->busy) return PyErr_SetString(PyExc_RuntimeError, "the scanner is at work"), NULL;
    PyObject *columns = PyTuple_New(COLUMNS), *others = PyList_New(0), *syncs = self->syncs, *next = PyList_New(0);
    if (!columns || !others || !next) goto failed;
    for (int at = 0; at < COLUMNS; at++) {
        PyObject *column = core_column(self->columns[at], self->used * WIDTH[at]);
        if (!column) goto failed;
        self->columns[at] = NULL;
        PyTuple_SetItem(columns, at, column);
    }
    for (size_t at = 0; at < self->places.used; at++) {
        PyObject *number = PyLong_FromLongLong(self->others[at]);
        int failed = !number || PyList_Append(others, number);
        Py_XDECREF(number);
        if (failed) goto failed;
        self->others[at] = 0;
    }
    PyObject *result = Py_BuildValue("nNNNLL", (Py_ssize_t)self->used, columns, others, syncs, (long long)self->negative,
                                     (long long)self->missing);
    self->syncs = next;
    self->used = self->room = 0;
    self->negative = self->missing = 0;
    return result;
failed:
    self->used = self->room = 0;
    for (int at = 0; at < COLUMNS; at++) {
        free(self->columns[at]);
        self->columns[at] = NULL;
    }
    Py_XDECREF(columns);
    Py_XDECREF(others);
    Py_XDECREF(next);
    return PyErr_Occurred() ? NULL : PyErr_NoMemory();
}

static PyObject *new_scanner(PyTypeObject *type, PyObject *args, PyObject *named) {
    PyObject *names, *places, *facts;
    int sync_kind;
    (void)named;
    if (!PyArg_ParseTuple(args, "OOOi", &names, &places, &facts, &sync_kind)) return NULL;
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Scanner *self = (Scanner *)alloc(type, 0);
    if (!self) return NULL;
    self->name_of = Py_NewRef(names);
    self->place_of = Py_NewRef(places);
    self->fact_of = Py_NewRef(facts);
    self->sync_kind = sync_kind;
    self->syncs = PyList_New(0);
    if (!self->syncs) return Py_DECREF(self), NULL;
    return (PyObject *)self;
}

static int traverse(Scanner *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE((PyObject *)self));
    Py_VISIT(self->name_of);
    Py_VISIT(self->place_of);
    Py_VISIT(self->fact_of);
    Py_VISIT(self->syncs);
    return 0;
}

static int clear(Scanner *self) {
    Py_CLEAR(self->name_of);
    Py_CLEAR(self->place_of);
    Py_CLEAR(self->fact_of);
    Py_CLEAR(self->syncs);
    return 0;
}

static void dealloc(Scanner *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    PyObject_GC_UnTrack(self);
    clear(self);
    empty(&self->names);
    empty(&self->places);
    empty(&self->facts);
    for (int at = 0; at < COLUMNS; at++) free(self->columns[at]);
    free(self->rows);
    free(self->others);
    free(self->key);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyMethodDef METHODS[] = {
    {"scan", (PyCFunction)scan, METH_O, "Take a text of events; None where it is odd, else the text of events beside the complete ones."},
    {"take", (PyCFunction)take, METH_NOARGS, "Hand over what was gathered: rows, columns, others by place, syncs, negative, missing."},
    {NULL, NULL, 0, NULL}};

static PyType_Slot SLOTS[] = {{Py_tp_doc, "Scanner(name_of, place_of, fact_of, sync_kind): text of events in, columns out."},
    {Py_tp_new, new_scanner}, {Py_tp_dealloc, dealloc}, {Py_tp_traverse, traverse}, {Py_tp_clear, clear},
    {Py_tp_methods, METHODS}, {0, NULL}};

PyType_Spec core_scanner_spec = {"commscope._core.Scanner", sizeof(Scanner), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, SLOTS};
