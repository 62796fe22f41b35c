/* Histogram of non-negative integers with percentiles within 1 %. */
#include "py/histogram.h"

#include "py/allocator.h"

/* Construction. */

static onex_histogram_object *
histogram_alloc(PyTypeObject *type)
{
    onex_histogram_object *self =
        (onex_histogram_object *)type->tp_alloc(type, 0);
    if (self != NULL) {
        onex_histogram_init(&self->values, &onex_python_allocator);
    }
    return self;
}

onex_histogram_object *
onex_histogram_new(onex_state *st)
{
    return histogram_alloc((PyTypeObject *)st->histogram_type);
}

static PyObject *
histogram_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, ":Histogram", names)) {
        return NULL;
    }
    return (PyObject *)histogram_alloc(type);
}

static void
histogram_dealloc(onex_histogram_object *self)
{
    PyTypeObject *type = Py_TYPE(self);
    onex_histogram_free(&self->values);
    type->tp_free(self);
    Py_DECREF(type);
}

/* Methods. */

int
onex_histogram_add(onex_histogram_object *self, int64_t value)
{
    if (onex_histogram_record(&self->values, value) != ONEX_OK) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

static PyObject *
histogram_record(onex_histogram_object *self, PyObject *value)
{
    long long number = PyLong_AsLongLong(value);
    if (number == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (onex_histogram_add(self, number) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
histogram_percentile(onex_histogram_object *self, PyObject *fraction)
{
    double number = PyFloat_AsDouble(fraction);
    if (number == -1.0 && PyErr_Occurred()) {
        return NULL;
    }
    if (!(number >= 0.0 && number <= 1.0)) {
        return PyErr_Format(PyExc_ValueError,
                            "percentile() argument 'fraction' must be from 0 "
                            "to 1, not %R",
                            fraction);
    }
    return PyLong_FromUnsignedLongLong(
        onex_histogram_percentile(&self->values, number));
}

static PyObject *
histogram_merge(onex_histogram_object *self, PyObject *other)
{
    if (!Py_IS_TYPE(other, Py_TYPE(self))) {
        return PyErr_Format(PyExc_TypeError,
                            "merge() argument 'other' must be Histogram, "
                            "not %.200s",
                            Py_TYPE(other)->tp_name);
    }
    onex_histogram *from = &((onex_histogram_object *)other)->values;
    if (onex_histogram_merge(&self->values, from) != ONEX_OK) {
        return PyErr_NoMemory();
    }
    Py_RETURN_NONE;
}

static PyObject *
histogram_get_count(onex_histogram_object *self, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLongLong(self->values.count);
}

static PyObject *
histogram_get_sum(onex_histogram_object *self, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLongLong(self->values.sum);
}

static PyObject *
histogram_get_min(onex_histogram_object *self, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLongLong(self->values.min);
}

static PyObject *
histogram_get_max(onex_histogram_object *self, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLongLong(self->values.max);
}

/* Slots, spec, setup. */

static PyMethodDef histogram_methods[] = {
    {"record", (PyCFunction)histogram_record, METH_O,
     PyDoc_STR("record($self, value, /)\n--\n\n"
               "Counts an integer; a negative one counts as 0.")},
    {"percentile", (PyCFunction)histogram_percentile, METH_O,
     PyDoc_STR("percentile($self, fraction, /)\n--\n\n"
               "The value that ``fraction`` (0 to 1) of all values do not "
               "exceed, within 1 %; 0 of none.")},
    {"merge", (PyCFunction)histogram_merge, METH_O,
     PyDoc_STR("merge($self, other, /)\n--\n\n"
               "Counts all that ``other`` counted.")},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef histogram_getset[] = {
    {"count", (getter)histogram_get_count, NULL, PyDoc_STR("Number of values."),
     NULL},
    {"sum", (getter)histogram_get_sum, NULL, PyDoc_STR("Sum of the values."),
     NULL},
    {"min", (getter)histogram_get_min, NULL,
     PyDoc_STR("Least value; 0 of none."), NULL},
    {"max", (getter)histogram_get_max, NULL,
     PyDoc_STR("Greatest value; 0 of none."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot histogram_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Histogram()\n--\n\n"
                                  "Log-linear histogram of integers >= 0: "
                                  "percentiles within 1 %.")},
    {Py_tp_new, histogram_new},
    {Py_tp_dealloc, histogram_dealloc},
    {Py_tp_methods, histogram_methods},
    {Py_tp_getset, histogram_getset},
    {0, NULL},
};

static PyType_Spec histogram_spec = {
    .name = "onex_events._core.Histogram",
    .basicsize = sizeof(onex_histogram_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = histogram_slots,
};

int
onex_histogram_setup(PyObject *module, onex_state *st)
{
    st->histogram_type = onex_add_type(module, &histogram_spec, NULL);
    return st->histogram_type == NULL ? -1 : 0;
}
