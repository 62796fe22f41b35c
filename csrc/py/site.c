/* Sites: their description, and the interest in their events. */
#include "py/site.h"

/* Interest. */

bool
onex_site_wanted_refresh(onex_site *site)
{
    uint32_t generation = site->listening->generation;
    site->wanted = site->end_wanted = false;
    for (int i = 0; i < ONEX_FACTORIES; i++) {
        onex_factory *factory = &site->factories[i];
        factory->interest = ONEX_INTEREST_NEVER;
        if (factory->factory == NULL) {
            continue;
        }
        int interest =
            onex_bus_interest(site->state, site->bus, factory->event_class,
                              factory->type_name, factory->exact);
        if (interest < 0) {
            PyErr_WriteUnraisable(site->owner);
            interest = ONEX_INTEREST_MAYBE;
        }
        factory->interest = (signed char)interest;
        if (interest != ONEX_INTEREST_NEVER) {
            site->wanted = true;
            site->end_wanted |= i != ONEX_CREATING;
        }
    }
    site->generation = generation;
    site->computed = true;
    return site->wanted;
}

/* Description. */

static inline PyObject *
none_as_null(PyObject *value)
{
    return value == Py_None ? NULL : Py_NewRef(value);
}

static int
set_factories(onex_site *site, PyObject *factories)
{
    if (!PyTuple_Check(factories) ||
        PyTuple_GET_SIZE(factories) != ONEX_FACTORIES) {
        PyErr_SetString(PyExc_TypeError, "factories: expected a 4-tuple");
        return -1;
    }
    for (int i = 0; i < ONEX_FACTORIES; i++) {
        PyObject *item = PyTuple_GET_ITEM(factories, i);
        PyObject *factory, *event_class, *type_name;
        int exact;
        if (item == Py_None) {
            continue;
        }
        if (!PyArg_ParseTuple(item,
                              "OOOp;factories: each is None or (factory,"
                              " event class, type name, exact)",
                              &factory, &event_class, &type_name, &exact)) {
            return -1;
        }
        site->factories[i].factory = none_as_null(factory);
        site->factories[i].event_class = none_as_null(event_class);
        site->factories[i].type_name = none_as_null(type_name);
        site->factories[i].exact = exact;
    }
    return 0;
}

/* sample is None, a rate, or (should_emit, what it is asked about). */
static int
set_sample(onex_site *site, PyObject *sample)
{
    site->sample_rate = -1;
    if (sample == Py_None) {
        return 0;
    }
    if (PyTuple_Check(sample)) {
        PyObject *should_emit, *type;
        if (!PyArg_ParseTuple(sample, "OO", &should_emit, &type)) {
            return -1;
        }
        site->should_emit = Py_NewRef(should_emit);
        site->sample_type = Py_NewRef(type);
        return 0;
    }
    site->sample_rate = PyFloat_AsDouble(sample);
    if (site->sample_rate == -1 && PyErr_Occurred()) {
        return -1;
    }
    site->sample_type = Py_NewRef(Py_None);
    return 0;
}

int
onex_site_init(onex_site *site, onex_state *st, PyObject *owner, PyObject *args,
               PyObject *kwargs)
{
    static char *names[] = {
        "function", "kind",    "factories", "include_timing", "include_args",
        "bus",      "enabled", "sample",    "strict",         NULL};
    PyObject *target, *factories, *bus, *enabled, *sample;
    int kind, include_timing, include_args, strict;
    if (!PyArg_ParseTupleAndKeywords(
            args, kwargs, "OiOppOOOp", names, &target, &kind, &factories,
            &include_timing, &include_args, &bus, &enabled, &sample, &strict)) {
        return -1;
    }
    if (!PyCallable_Check(target)) {
        PyErr_Format(PyExc_TypeError, "function: expected a callable, not %R",
                     target);
        return -1;
    }
    site->owner = owner;
    site->target = Py_NewRef(target);
    site->state = st;
    site->kind = (unsigned char)kind;
    site->include_timing = include_timing;
    site->include_args = include_args;
    site->strict = strict;
    site->bus = none_as_null(bus);
    site->enabled = none_as_null(enabled);
    site->listening = onex_bus_listening(st, site->bus);
    if (set_factories(site, factories) < 0) {
        return -1;
    }
    return set_sample(site, sample);
}

/* For the owners. */

int
onex_site_traverse(onex_site *site, visitproc visit, void *arg)
{
    Py_VISIT(site->target);
    Py_VISIT(site->bus);
    Py_VISIT(site->enabled);
    Py_VISIT(site->should_emit);
    Py_VISIT(site->sample_type);
    for (int i = 0; i < ONEX_FACTORIES; i++) {
        Py_VISIT(site->factories[i].factory);
        Py_VISIT(site->factories[i].event_class);
        Py_VISIT(site->factories[i].type_name);
    }
    return 0;
}

void
onex_site_clear(onex_site *site)
{
    Py_CLEAR(site->target);
    Py_CLEAR(site->bus);
    Py_CLEAR(site->enabled);
    Py_CLEAR(site->should_emit);
    Py_CLEAR(site->sample_type);
    for (int i = 0; i < ONEX_FACTORIES; i++) {
        Py_CLEAR(site->factories[i].factory);
        Py_CLEAR(site->factories[i].event_class);
        Py_CLEAR(site->factories[i].type_name);
    }
}
