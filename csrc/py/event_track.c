/* The end of an interpreter: events become objects of the collector.
 *
 * An event whose fields hold nothing that could be part of a cycle is not
 * tracked (event.h), so the collector does not know that it holds its class.
 * A class whose module keeps such an event (the default bus's history is
 * enough) is then never collected, nor is anything else that the module and
 * the core hold.  A process does not mind at its end; a subinterpreter would
 * leave megabytes behind. */
#include "py/event.h"

#include "py/event_access.h"

#if PY_VERSION_HEX >= 0x030C0000

static int
track_if_event(PyObject *object, void *st)
{
    if (onex_event_check(st, object)) {
        event_track((onex_event *)object);
    }
    return 0;
}

/* Goes on to the next object. */
static int
visit_what_it_holds(PyObject *container, void *st)
{
    traverseproc traverse = Py_TYPE(container)->tp_traverse;
    if (traverse != NULL) {
        (void)traverse(container, track_if_event, st);
    }
    return 1;
}

static PyObject *
end_interpreter(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        onex_state *st = onex_state_of_module(module);
        st->ending = true;
        PyUnstable_GC_VisitObjects(visit_what_it_holds, st);
    }
    Py_RETURN_NONE;
}

#else /* no interpreter but the main one can load the core */

static PyObject *
end_interpreter(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    Py_RETURN_NONE;
}

#endif

static PyMethodDef track_functions[] = {
    {"end_interpreter", end_interpreter, METH_NOARGS,
     PyDoc_STR("end_interpreter($module, /)\n--\n\n"
               "Makes a subinterpreter's events visible to its last "
               "collections.")},
    {0},
};

int
onex_event_track_setup(PyObject *module)
{
    return PyModule_AddFunctions(module, track_functions);
}
