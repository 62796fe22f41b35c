/* Around one observed call.  See call.h for the contract.
 *
 * The parts that the program must not notice (factories, predicates, the
 * sampler, linking) report what they raise and go on, unless the site is
 * strict; the function's own result or exception is held meanwhile. */
#include "py/call.h"

#include "core/clock.h"
#include "core/random.h"
#include "py/event_access.h"
#include "py/exceptions.h"

#define MOST_STACK_ARGS 8

static const char *const moment_names[ONEX_FACTORIES] = {
    "creating_factory",
    "created_factory",
    "failed_factory",
    "cancelled_factory",
};

/* Errors. */

/* Deals with the exception that is set, which `what` of this site raised: 0
 * when it was reported and the call goes on, -1 when the program must see it. */
static int
call_failed(onex_site *site, const char *what)
{
    if (site->strict) {
        return -1;
    }
    return onex_bus_report(site->state, site->bus, what, site->owner);
}

/* Sampling. */

/* `enabled`, asked: 1 or 0, or -1 when the program must see an exception.
 * One that raises does not lose events: it counts as yes. */
static int
call_is_enabled(onex_site *site)
{
    int enabled = -1;
    PyObject *answer = PyObject_CallNoArgs(site->enabled);
    if (answer != NULL) {
        enabled = PyObject_IsTrue(answer);
        Py_DECREF(answer);
    }
    if (enabled < 0) {
        enabled = call_failed(site, "enabled") < 0 ? -1 : 1;
    }
    return enabled;
}

/* The sampler's decision: 1 or 0, or -1 when the program must see an
 * exception.  One that raises counts as yes. */
static int
call_is_sampled(onex_site *site)
{
    int kept = -1;
    if (site->should_emit == NULL) {
        uint64_t bits;
        if (onex_random_bytes(&bits, sizeof(bits)) != ONEX_OK) {
            return 1;
        }
        return (double)(bits >> 11) * 0x1p-53 < site->sample_rate;
    }
    PyObject *answer =
        PyObject_CallOneArg(site->should_emit, site->sample_type);
    if (answer != NULL) {
        kept = PyObject_IsTrue(answer);
        Py_DECREF(answer);
    }
    if (kept < 0) {
        kept = call_failed(site, "sample") < 0 ? -1 : 1;
    }
    return kept;
}

/* Making one event. */

/* 0 when `event` can be linked and emitted, else -1 with a TypeError. */
static int
check_event(onex_site *site, onex_moment moment, PyObject *event)
{
    if (onex_event_check(site->state, event)) {
        return 0;
    }
    static const onex_id_field needed[] = {ONEX_ID, ONEX_PARENT_ID};
    uint8_t bytes[16];
    bool fits = true;
    for (size_t i = 0; fits && i < Py_ARRAY_LENGTH(needed); i++) {
        fits = onex_event_get_id(site->state, event, needed[i], bytes) >= 0;
    }
    if (fits) {
        PyObject *type = onex_event_type_name(site->state, event);
        fits = type != NULL;
        Py_XDECREF(type);
    }
    if (!fits) {
        PyErr_Format(PyExc_TypeError,
                     "%s of %R returned %.200R, expected an event",
                     moment_names[moment], site->owner, event);
        return -1;
    }
    return 0;
}

/* factory(first, *args, **kwargs), without a tuple or dict of them. */
static PyObject *
call_with_first(PyObject *factory, PyObject *first, const onex_call *call)
{
    Py_ssize_t nargs = PyVectorcall_NARGS(call->nargsf);
    if (call->nargsf & PY_VECTORCALL_ARGUMENTS_OFFSET) {
        PyObject **slots = (PyObject **)call->args - 1;
        PyObject *saved = slots[0];
        slots[0] = first;
        PyObject *event = PyObject_Vectorcall(factory, slots, (size_t)nargs + 1,
                                              call->kwnames);
        slots[0] = saved;
        return event;
    }
    Py_ssize_t total = nargs;
    if (call->kwnames != NULL) {
        total += PyTuple_GET_SIZE(call->kwnames);
    }
    PyObject *few[MOST_STACK_ARGS + 2];
    PyObject **slots = few;
    if (total > MOST_STACK_ARGS) {
        slots = PyMem_New(PyObject *, total + 2);
        if (slots == NULL) {
            return PyErr_NoMemory();
        }
    }
    slots[1] = first;
    for (Py_ssize_t i = 0; i < total; i++) {
        slots[i + 2] = call->args[i];
    }
    PyObject *event = PyObject_Vectorcall(
        factory, slots + 1,
        ((size_t)nargs + 1) | PY_VECTORCALL_ARGUMENTS_OFFSET, call->kwnames);
    if (slots != few) {
        PyMem_Free(slots);
    }
    return event;
}

/* What the factory of `moment` makes, checked; NULL with an exception. */
static PyObject *
make_event(onex_call *call, onex_moment moment, PyObject *first)
{
    PyObject *factory = call->site->factories[moment].factory;
    PyObject *event = first == NULL
                          ? PyObject_Vectorcall(factory, call->args,
                                                call->nargsf, call->kwnames)
                          : call_with_first(factory, first, call);
    if (event != NULL && check_event(call->site, moment, event) < 0) {
        Py_CLEAR(event);
    }
    return event;
}

/* Sets parent_id and root_id, with `lineage` also lineage_id; without a parent
 * the event is its own root. */
static int
link_to(onex_state *st, PyObject *event, PyObject *parent, bool lineage)
{
    if (parent != NULL) {
        return onex_event_link(st, event, parent, lineage);
    }
    uint8_t id[16];
    int found = onex_event_get_id(st, event, ONEX_ID, id);
    return found <= 0 ? found : onex_event_set_id(st, event, ONEX_ROOT_ID, id);
}

static int
link_event(onex_call *call, PyObject *event, bool lineage)
{
    return link_to(call->site->state, event,
                   call->outer == NULL ? NULL : call->outer->event, lineage);
}

/* Gives an end event the lineage of this call's creating event.  Without one
 * it keeps the fresh lineage it was made with: a call makes one end event. */
static int
link_end(onex_call *call, PyObject *event)
{
    onex_state *st = call->site->state;
    uint8_t lineage[16];
    if (link_event(call, event, false) < 0) {
        return -1;
    }
    if (!call->created) {
        return 0;
    }
    int found =
        onex_event_get_id(st, call->frame->event, ONEX_LINEAGE_ID, lineage);
    return found <= 0 ? found
                      : onex_event_set_id(st, event, ONEX_LINEAGE_ID, lineage);
}

/* metadata["args"] = str(args), metadata["kwargs"] = str(kwargs). */
static int
add_args(onex_call *call, PyObject *event)
{
    onex_state *st = call->site->state;
    Py_ssize_t nargs = PyVectorcall_NARGS(call->nargsf);
    int result = -1;
    PyObject *metadata = NULL, *args = NULL, *kwargs = NULL;
    PyObject *args_text = NULL, *kwargs_text = NULL;
    if ((metadata = PyObject_GetAttr(event, st->str_metadata)) == NULL ||
        (args = PyTuple_New(nargs)) == NULL ||
        (kwargs = PyDict_New()) == NULL) {
        goto done;
    }
    for (Py_ssize_t i = 0; i < nargs; i++) {
        PyTuple_SET_ITEM(args, i, Py_NewRef(call->args[i]));
    }
    if (call->kwnames != NULL) {
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(call->kwnames); i++) {
            if (PyDict_SetItem(kwargs, PyTuple_GET_ITEM(call->kwnames, i),
                               call->args[nargs + i]) < 0) {
                goto done;
            }
        }
    }
    if ((args_text = PyObject_Str(args)) == NULL ||
        (kwargs_text = PyObject_Str(kwargs)) == NULL ||
        PyObject_SetItem(metadata, st->str_args, args_text) < 0 ||
        PyObject_SetItem(metadata, st->str_kwargs, kwargs_text) < 0) {
        goto done;
    }
    result = 0;
done:
    Py_XDECREF(metadata);
    Py_XDECREF(args);
    Py_XDECREF(kwargs);
    Py_XDECREF(args_text);
    Py_XDECREF(kwargs_text);
    return result;
}

/* Queues or delivers; -1 only with what the program must see. */
static int
emit_event(onex_call *call, PyObject *event)
{
    onex_site *site = call->site;
    bool sync = site->kind == ONEX_FUNCTION || site->kind == ONEX_GENERATOR;
    PyObject *wait = NULL;
    int result = onex_bus_emit_decorated(site->state, site->bus, event, sync,
                                         call->waits ? &wait : NULL);
    Py_XSETREF(call->wait, wait);
    return result;
}

/* Start. */

/* Pushes a frame for `event`, or with event NULL a mark with the sampling
 * decision.  0, or -1 with an exception. */
static int
push_frame(onex_call *call, PyObject *event, int sampled)
{
    onex_state *st = call->site->state;
    onex_frame *outer = call->outer;
    if (event == NULL) {
        call->frame = onex_frame_mark(
            st, outer, outer == NULL ? NULL : outer->handler, sampled);
        if (call->frame == NULL || onex_context_set(st, call->frame) < 0) {
            goto error;
        }
        return 0;
    }
    call->frame = onex_frame_new(st, event, outer);
    if (call->frame == NULL) {
        goto error;
    }
    call->frame->sampled = (signed char)sampled;
    if (onex_context_push(st, call->frame) < 0) {
        goto error;
    }
    call->created = true;
    return 0;
error:
    Py_CLEAR(call->frame);
    return -1;
}

/* The creating event: made, linked, emitted, pushed. */
static int
call_create(onex_call *call, int sampled)
{
    onex_site *site = call->site;
    PyObject *event = make_event(call, ONEX_CREATING, NULL);
    if (event == NULL) {
        return call_failed(site, moment_names[ONEX_CREATING]);
    }
    int result = -1;
    if (link_event(call, event, true) < 0 &&
        call_failed(site, "linking of creating_factory") < 0) {
        goto done;
    }
    if (site->include_args && add_args(call, event) < 0 &&
        call_failed(site, "include_args") < 0) {
        goto done;
    }
    if (emit_event(call, event) < 0) {
        goto done;
    }
    if (push_frame(call, event, sampled) < 0 &&
        call_failed(site, "context") < 0) {
        goto done;
    }
    result = 0;
done:
    Py_DECREF(event);
    return result;
}

int
onex_call_begin(onex_call *call)
{
    onex_site *site = call->site;
    onex_state *st = site->state;
    call->outer = call->entered = call->frame = call->suspended = NULL;
    call->wait = NULL;
    call->started_ns = -1;
    call->observed = call->created = false;
    if (st->current_frame_var == NULL) {
        return 0; /* the module is being torn down */
    }
    if (site->enabled != NULL) {
        int enabled = call_is_enabled(site);
        if (enabled <= 0) {
            return enabled;
        }
    }
    call->outer = onex_context_top(st);
    if (call->outer == NULL && PyErr_Occurred()) {
        return call_failed(site, "context");
    }
    call->entered = (onex_frame *)Py_XNewRef((PyObject *)call->outer);

    int sampled = call->outer == NULL ? -1 : call->outer->sampled;
    bool decided = sampled < 0 && site->sample_type != NULL;
    if (decided && (sampled = call_is_sampled(site)) < 0) {
        goto error;
    }
    if (sampled != 0) {
        call->observed = true;
        if (site->factories[ONEX_CREATING].interest != ONEX_INTEREST_NEVER &&
            call_create(call, sampled) < 0) {
            goto error;
        }
    }
    if (decided && call->frame == NULL && push_frame(call, NULL, sampled) < 0 &&
        call_failed(site, "context") < 0) {
        goto error;
    }
    if (site->include_timing && site->end_wanted && call->observed) {
        call->started_ns = onex_clock_monotonic_ns();
    }
    return 0;
error:
    onex_call_clear(call);
    return -1;
}

void
onex_call_restart_clock(onex_call *call)
{
    if (call->started_ns >= 0) {
        call->started_ns = onex_clock_monotonic_ns();
    }
}

/* Pauses. */

/* What a body's stack looks like to code that runs it from `driver`: the same,
 * but in the handler call of `driver` (or in none), so that waiting for the
 * bus is judged by who waits.  New reference or NULL. */
static onex_frame *
frame_seen_from(onex_state *st, onex_frame *top, onex_frame *driver)
{
    onex_frame *handler = onex_frame_active_handler(driver);
    if (handler == onex_frame_active_handler(top)) {
        return (onex_frame *)Py_XNewRef((PyObject *)top);
    }
    return onex_frame_mark(st, top, handler, top == NULL ? -1 : top->sampled);
}

/* Where no other frame could be made the top: the call's own, up to `top`, are
 * passed over (`left`), or are so no longer. */
static void
pass_over(onex_call *call, onex_frame *top, bool left)
{
    onex_frame *frame = top;
    call->frame->left = left;
    while (frame != NULL && frame != call->frame) {
        frame = frame->outer;
    }
    if (frame != NULL) {
        for (frame = top; frame != call->frame; frame = frame->outer) {
            frame->left = left;
        }
    }
}

void
onex_call_suspend(onex_call *call)
{
    if (call->frame == NULL) {
        return;
    }
    onex_state *st = call->site->state;
    PyObject *exception = onex_exception_take();
    onex_frame *top = onex_context_top(st);
    if ((top == NULL && PyErr_Occurred()) ||
        onex_context_set(st, call->entered) < 0) {
        pass_over(call, top, true);
        PyErr_WriteUnraisable(call->site->owner);
    }
    Py_XSETREF(call->suspended, top);
    Py_CLEAR(call->entered);
    onex_exception_restore(exception);
}

void
onex_call_resume(onex_call *call)
{
    if (call->frame == NULL) {
        return;
    }
    onex_state *st = call->site->state;
    PyObject *exception = onex_exception_take();
    onex_frame *top = NULL;
    /* Below what was passed over, if this is the same context still. */
    Py_XSETREF(call->entered, onex_context_top(st));
    pass_over(call, call->suspended, false);
    if (call->entered == NULL && PyErr_Occurred()) {
        goto error;
    }
    top = frame_seen_from(st, call->suspended, call->entered);
    if ((top == NULL && PyErr_Occurred()) || onex_context_set(st, top) < 0) {
        goto error;
    }
    goto done;
error:
    PyErr_WriteUnraisable(call->site->owner);
done:
    Py_XDECREF(top);
    Py_CLEAR(call->suspended);
    onex_exception_restore(exception);
}

/* End. */

/* Restores what was current at this start or resumption, if ours still is.
 * No exception may be set. */
static void
call_leave(onex_call *call)
{
    if (call->frame == NULL) {
        return;
    }
    onex_state *st = call->site->state;
    onex_frame *top = onex_context_top(st);
    if (top == NULL) {
        if (PyErr_Occurred()) {
            PyErr_WriteUnraisable(call->site->owner);
        }
        return;
    }
    onex_frame *ours = top;
    while (ours != call->frame && ours->outer != NULL &&
           ours->depth == ours->outer->depth) {
        ours = ours->outer;
    }
    if (ours == call->frame) {
        if (onex_context_set(st, call->entered) < 0) {
            pass_over(call, top, true);
            PyErr_WriteUnraisable(call->site->owner);
        }
        st->context_pops += call->created;
    }
    Py_DECREF(top);
}

/* The end event of `moment`: made, linked, timed, emitted. */
static int
call_finish(onex_call *call, onex_moment moment, PyObject *first)
{
    onex_site *site = call->site;
    PyObject *event = NULL;
    int64_t ended_ns = call->started_ns < 0 ? -1 : onex_clock_monotonic_ns();
    if (moment == ONEX_CREATED) {
        event = make_event(call, moment, first);
    }
    else {
        /* As in an except block: traceback.format_exc() and the like work. */
        PyObject *handled = PyErr_GetHandledException();
        PyErr_SetHandledException(first);
        event = make_event(call, moment, first);
        PyErr_SetHandledException(handled);
        Py_XDECREF(handled);
    }
    if (event == NULL) {
        return call_failed(site, moment_names[moment]);
    }
    int result = -1;
    if (link_end(call, event) < 0 &&
        call_failed(site, "linking of an end event") < 0) {
        goto done;
    }
    if (ended_ns >= 0 &&
        onex_event_set_duration(site->state, event,
                                (double)(ended_ns - call->started_ns) / 1e6) <
            0 &&
        call_failed(site, "include_timing") < 0) {
        goto done;
    }
    result = emit_event(call, event);
done:
    Py_DECREF(event);
    return result;
}

PyObject *
onex_call_end(onex_call *call, PyObject *result)
{
    onex_site *site = call->site;
    PyObject *exception = result == NULL ? onex_exception_take() : NULL;
    call_leave(call);
    if (call->observed && onex_site_wanted(site)) {
        onex_moment moment = ONEX_CREATED;
        if (exception != NULL) {
            moment = PyErr_GivenExceptionMatches(exception, PyExc_Exception)
                         ? ONEX_FAILED
                         : ONEX_CANCELLED;
        }
        if (site->factories[moment].interest != ONEX_INTEREST_NEVER &&
            call_finish(call, moment, exception == NULL ? result : exception) <
                0) {
            Py_CLEAR(result);
            Py_CLEAR(exception);
        }
    }
    PyObject *wait = call->wait;
    call->wait = NULL;
    onex_call_clear(call);
    call->wait = wait;
    onex_exception_restore(exception);
    return result;
}

PyObject *
onex_call_function(onex_site *site, vectorcallfunc run, PyObject *callable,
                   PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    if (!onex_site_wanted(site)) {
        return run(callable, args, nargsf, kwnames);
    }
    onex_call call = {
        .site = site, .args = args, .nargsf = nargsf, .kwnames = kwnames};
    if (onex_call_begin(&call) < 0) {
        return NULL;
    }
    return onex_call_end(&call, run(callable, args, nargsf, kwnames));
}

/* The same for what Python code emits as decorated functions do. */

PyDoc_STRVAR(is_wanted_doc, "_is_wanted(event_class, type_name, /)\n--\n\n"
                            "Whether an event of exactly this class may have a "
                            "listener on the default\n"
                            "bus.");

static PyObject *
module_is_wanted(PyObject *module, PyObject *args)
{
    onex_state *st = onex_state_of_module(module);
    PyObject *event_class, *type_name;
    if (!PyArg_ParseTuple(args, "OO:_is_wanted", &event_class, &type_name)) {
        return NULL;
    }
    if (!onex_bus_listening(st, NULL)->listening) {
        Py_RETURN_FALSE;
    }
    int interest = onex_bus_interest(
        st, NULL, event_class, Py_IsNone(type_name) ? NULL : type_name, true);
    return interest < 0 ? NULL
                        : PyBool_FromLong(interest != ONEX_INTEREST_NEVER);
}

PyDoc_STRVAR(emit_linked_doc, "_emit_linked(event, sync, /)\n--\n\n"
                              "Links `event` under the current event and emits "
                              "it on the default bus, by\n"
                              "the rules for decorated functions.");

static PyObject *
module_emit_linked(PyObject *module, PyObject *args)
{
    onex_state *st = onex_state_of_module(module);
    PyObject *event;
    int sync;
    if (!PyArg_ParseTuple(args, "Op:_emit_linked", &event, &sync)) {
        return NULL;
    }
    onex_frame *top = onex_context_top(st);
    if (top == NULL && PyErr_Occurred()) {
        return NULL;
    }
    int failed = link_to(st, event, top == NULL ? NULL : top->event, true);
    Py_XDECREF(top);
    if (failed == 0) {
        failed = onex_bus_emit_decorated(st, NULL, event, sync, NULL);
    }
    return failed < 0 ? NULL : Py_NewRef(Py_None);
}

PyDoc_STRVAR(report_doc,
             "_report(what, where, /)\n--\n\n"
             "Counts and logs the exception that is being handled.");

static PyObject *
module_report(PyObject *module, PyObject *args)
{
    const char *what;
    PyObject *where;
    if (!PyArg_ParseTuple(args, "sO:_report", &what, &where)) {
        return NULL;
    }
    PyObject *exception = PyErr_GetHandledException();
    if (exception == NULL) {
        Py_RETURN_NONE;
    }
    onex_exception_restore(exception);
    if (onex_bus_report(onex_state_of_module(module), NULL, what, where) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef call_functions[] = {
    {"_is_wanted", module_is_wanted, METH_VARARGS, is_wanted_doc},
    {"_emit_linked", module_emit_linked, METH_VARARGS, emit_linked_doc},
    {"_report", module_report, METH_VARARGS, report_doc},
    {NULL, NULL, 0, NULL},
};

int
onex_call_setup(PyObject *module, onex_state *Py_UNUSED(st))
{
    return PyModule_AddFunctions(module, call_functions);
}

/* For the owners. */

int
onex_call_traverse(onex_call *call, visitproc visit, void *arg)
{
    Py_VISIT(call->outer);
    Py_VISIT(call->entered);
    Py_VISIT(call->frame);
    Py_VISIT(call->suspended);
    Py_VISIT(call->wait);
    return 0;
}

void
onex_call_clear(onex_call *call)
{
    Py_CLEAR(call->outer);
    Py_CLEAR(call->entered);
    Py_CLEAR(call->frame);
    Py_CLEAR(call->suspended);
    Py_CLEAR(call->wait);
}
