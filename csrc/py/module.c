/* Module definition: multi-phase initialisation, state traverse and clear. */
#include "py/module.h"
#include "py/emitted.h"

PyObject *
onex_add_type(PyObject *module, PyType_Spec *spec, PyObject *bases)
{
    PyObject *type = PyType_FromModuleAndSpec(module, spec, bases);
    if (type != NULL && PyModule_AddType(module, (PyTypeObject *)type) < 0) {
        Py_CLEAR(type);
    }
    return type;
}

static int
module_exec(PyObject *module)
{
    onex_state *st = onex_state_of_module(module);
#define X(name)                                                                \
    st->str_##name = PyUnicode_InternFromString(#name);                        \
    if (st->str_##name == NULL) {                                              \
        return -1;                                                             \
    }
    ONEX_STRINGS(X)
#undef X
    if (onex_fields_setup(module, st) < 0 || onex_event_setup(module, st) < 0 ||
        onex_event_meta_setup(module, st) < 0 ||
        onex_event_track_setup(module) < 0 ||
        onex_context_setup(module, st) < 0 || onex_bus_setup(module, st) < 0 ||
        onex_site_function_setup(module, st) < 0 ||
        onex_hook_setup(module, st) < 0 || onex_call_setup(module, st) < 0 ||
        onex_awaitable_setup(module, st) < 0 ||
        onex_async_generator_setup(module, st) < 0 ||
        onex_histogram_setup(module, st) < 0 ||
        onex_timer_setup(module, st) < 0 ||
        onex_timer_table_setup(module, st) < 0) {
        if (!PyErr_Occurred()) {
            PyErr_NoMemory(); /* which CPython's type creation does not say */
        }
        return -1;
    }
    return 0;
}

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
    onex_state *st = onex_state_of_module(module);
#define X(name) Py_VISIT(st->name);
    ONEX_OBJECTS(X)
#undef X
#define X(name) Py_VISIT(st->str_##name);
    ONEX_STRINGS(X)
#undef X
    return 0;
}

static int
module_clear(PyObject *module)
{
    onex_state *st = onex_state_of_module(module);
    onex_event_free_unused(st);
    st->keeps_free = false;
    onex_context_teardown(st);
    onex_observed_teardown(st);
    onex_emitted_teardown(st);
#define X(name) Py_CLEAR(st->name);
    ONEX_OBJECTS(X)
#undef X
#define X(name) Py_CLEAR(st->str_##name);
    ONEX_STRINGS(X)
#undef X
    return 0;
}

static void
module_free(void *module)
{
    (void)module_clear((PyObject *)module);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
#ifdef Py_mod_multiple_interpreters
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
    {0, NULL},
};

struct PyModuleDef onex_module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "onex_events._core",
    .m_doc = PyDoc_STR("C core of onex_events."),
    .m_size = sizeof(onex_state),
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC
PyInit__core(void)
{
    return PyModuleDef_Init(&onex_module_def);
}
