/* What the files of the extension share. Only the stable ABI of CPython 3.11: one build serves every later one. */
#ifndef COMMSCOPE_CORE_H
#define COMMSCOPE_CORE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>

extern PyType_Spec core_scanner_spec, core_column_spec;
extern PyMethodDef core_order_methods[], core_graph_methods[];

/* Memory as a Python buffer, which frees it; takes it over only where it succeeds. */
PyObject *core_column(char *memory, size_t size);
int core_set_column_type(PyObject *type);

#endif
