/* TimerTable: durations by name, the C part of onex_events.profiler.Profiler. */
#include "py/timer.h"

typedef struct {
    PyObject_HEAD
    onex_state *st;       /* the module's, which the type keeps alive */
    PyObject *histograms; /* dict: str -> Histogram */
} table_object;

/* Helpers. */

/* The name's histogram, made where it is missing: new reference, or NULL with
 * an exception.  method is what the error names. */
static onex_histogram_object *
table_histogram(table_object *self, PyObject *name, const char *method)
{
    if (!PyUnicode_Check(name)) {
        PyErr_Format(PyExc_TypeError,
                     "%s() argument 'name' must be str, not %.200s", method,
                     Py_TYPE(name)->tp_name);
        return NULL;
    }
    PyObject *known = PyDict_GetItemWithError(self->histograms, name);
    if (known != NULL || PyErr_Occurred()) {
        return (onex_histogram_object *)Py_XNewRef(known);
    }
    onex_histogram_object *made = onex_histogram_new(self->st);
    if (made == NULL) {
        return NULL;
    }
    /* Another thread may have come first while a __hash__ ran. */
    known = PyDict_SetDefault(self->histograms, name, (PyObject *)made);
    Py_XINCREF(known);
    Py_DECREF(made);
    return (onex_histogram_object *)known;
}

/* Construction. */

static PyObject *
table_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, ":Profiler", names)) {
        return NULL;
    }
    onex_state *st = onex_state_of_type(type);
    table_object *self =
        st == NULL ? NULL : (table_object *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->st = st;
    self->histograms = PyDict_New();
    if (self->histograms == NULL) {
        Py_CLEAR(self);
    }
    return (PyObject *)self;
}

/* Clear, traverse, dealloc. */

static int
table_traverse(table_object *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->histograms);
    return 0;
}

/* Empties the table and keeps the dict, which methods rely on. */
static int
table_clear(table_object *self)
{
    if (self->histograms != NULL) {
        PyDict_Clear(self->histograms);
    }
    return 0;
}

static void
table_dealloc(table_object *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_XDECREF(self->histograms);
    type->tp_free(self);
    Py_DECREF(type);
}

/* Methods. */

static PyObject *
table_timer(table_object *self, PyObject *name)
{
    onex_histogram_object *histogram = table_histogram(self, name, "timer");
    if (histogram == NULL) {
        return NULL;
    }
    PyObject *timer = onex_timer_new(self->st, name, histogram);
    Py_DECREF(histogram);
    return timer;
}

static PyObject *
table_record(table_object *self, PyObject *args)
{
    PyObject *name;
    long long duration_ns;
    if (!PyArg_ParseTuple(args, "OL:record", &name, &duration_ns)) {
        return NULL;
    }
    onex_histogram_object *histogram = table_histogram(self, name, "record");
    if (histogram == NULL) {
        return NULL;
    }
    int failed = onex_histogram_add(histogram, duration_ns);
    Py_DECREF(histogram);
    if (failed < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
table_reset(table_object *self, PyObject *Py_UNUSED(none))
{
    PyDict_Clear(self->histograms);
    Py_RETURN_NONE;
}

static PyObject *
table_get_histograms(table_object *self, void *Py_UNUSED(closure))
{
    return PyDict_Copy(self->histograms);
}

/* Slots, spec, setup. */

static PyMethodDef table_methods[] = {
    {"timer", (PyCFunction)table_timer, METH_O,
     PyDoc_STR("timer($self, name, /)\n--\n\n"
               "A context manager that records how long its block takes.")},
    {"record", (PyCFunction)table_record, METH_VARARGS,
     PyDoc_STR("record($self, name, duration_ns, /)\n--\n\n"
               "Records a duration in ns that was measured elsewhere.")},
    {"reset", (PyCFunction)table_reset, METH_NOARGS,
     PyDoc_STR("reset($self, /)\n--\n\n"
               "Forgets all figures; timers that are running still record "
               "into the forgotten ones.")},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef table_getset[] = {
    {"_histograms", (getter)table_get_histograms, NULL,
     PyDoc_STR("Name to Histogram (a copy)."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot table_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Durations by name.")},
    {Py_tp_new, table_new},
    {Py_tp_dealloc, table_dealloc},
    {Py_tp_traverse, table_traverse},
    {Py_tp_clear, table_clear},
    {Py_tp_methods, table_methods},
    {Py_tp_getset, table_getset},
    {0, NULL},
};

static PyType_Spec table_spec = {
    .name = "onex_events._core.TimerTable",
    .basicsize = sizeof(table_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = table_slots,
};

int
onex_timer_table_setup(PyObject *module, onex_state *st)
{
    st->timer_table_type = onex_add_type(module, &table_spec, NULL);
    return st->timer_table_type == NULL ? -1 : 0;
}
