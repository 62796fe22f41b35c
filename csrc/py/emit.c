/* Emission: into the queue, and for emit_sync on to the handlers. */
#include "py/bus_internal.h"
#include "py/emit.h"
#include "py/emitted.h"
#include "py/exceptions.h"

/* --- where are we? ------------------------------------------------------------ */

/* asyncio's own is a C function without arguments: called by its pointer, for
 * every emit_sync asks. */
static PyObject *
ask_for_loop(PyObject *function)
{
    if (PyCFunction_CheckExact(function) &&
        PyCFunction_GET_FLAGS(function) == METH_NOARGS) {
        return PyCFunction_GET_FUNCTION(function)(
            PyCFunction_GET_SELF(function), NULL);
    }
    return PyObject_CallNoArgs(function);
}

PyObject *
onex_running_loop(onex_state *st)
{
    if (st->get_running_loop == NULL) {
        /* No asyncio, no loop: importing it is not for us. */
        PyObject *modules = PyImport_GetModuleDict();
        PyObject *events =
            modules == NULL
                ? NULL
                : PyDict_GetItemWithError(modules, st->str_asyncio_events);
        if (events == NULL) {
            return NULL;
        }
        st->get_running_loop =
            PyObject_GetAttrString(events, "_get_running_loop");
        if (st->get_running_loop == NULL) {
            PyErr_Clear(); /* half imported, in another thread */
            return NULL;
        }
    }
    PyObject *loop = ask_for_loop(st->get_running_loop);
    if (loop == NULL) {
        PyErr_Clear();
    }
    else if (loop == Py_None) {
        Py_CLEAR(loop);
    }
    return loop;
}

typedef struct {
    PyObject *loop;      /* the running loop, or NULL; strong */
    bool in_handler;     /* of any bus */
    bool in_own_handler; /* of this bus */
    bool delivering;     /* this thread is inside this bus's drain */
} place;

static int
look_around(onex_bus *bus, place *here)
{
    onex_frame *top = NULL;
    if (bus->st->active_handlers > 0) {
        top = onex_context_top(bus->st);
        if (top == NULL && PyErr_Occurred()) {
            return -1;
        }
    }
    onex_frame *frame = top == NULL ? NULL : top->handler;
    here->in_handler = false;
    here->in_own_handler = false;
    while (frame != NULL) {
        if (frame->active) {
            here->in_handler = true;
            here->in_own_handler |=
                ((onex_delivery *)frame->delivery)->bus == bus;
        }
        frame = frame->outer == NULL ? NULL : frame->outer->handler;
    }
    Py_XDECREF((PyObject *)top);
    here->delivering = bus->draining_thread != 0 &&
                       bus->draining_thread == PyThread_get_thread_ident();
    here->loop = onex_running_loop(bus->st);
    return 0;
}

int
onex_bus_in_handler(onex_bus *bus)
{
    place here;
    if (look_around(bus, &here) < 0) {
        return -1;
    }
    Py_XDECREF(here.loop);
    return here.in_own_handler || here.delivering ? 2 : here.in_handler;
}

/* --- the queue ------------------------------------------------------------------ */

typedef enum {
    QUEUED,
    QUEUED_FULL, /* queued beyond the bound: the emitter is to wait */
    DROPPED,     /* counted */
    REFUSED,     /* QueueFullError is set; counted */
    FAILED = -1,
} placing;

static int
drop_oldest(onex_bus *bus)
{
    onex_entry entry;
    if (!onex_queue_pop(&bus->queue, &entry)) {
        return 0;
    }
    int result = onex_bus_count_drop(bus, ONEX_DROP_QUEUE_FULL, 1);
    if (result == 0) {
        result = onex_bus_announce(bus, entry.event, entry.receipt);
    }
    onex_entry_clear(&entry);
    return result;
}

#if defined(__GNUC__)
#define OUT_OF_LINE __attribute__((noinline))
#else
#define OUT_OF_LINE
#endif

/* There was no memory to queue the entry: who was told that it comes learns
 * that it does not.  The exception stays. */
static OUT_OF_LINE void
take_back(onex_bus *bus, onex_entry *entry)
{
    PyObject *exception = onex_exception_take();
    (void)onex_bus_announce(bus, entry->event, NULL);
    PyErr_Clear();
    onex_exception_restore(exception);
    onex_entry_clear(entry);
}

/* Counts an event as emitted and gives it its place in the queue. */
static placing
place_event(onex_bus *bus, PyObject *event, PyObject *receipt, bool may_wait,
            uint64_t *seq)
{
    placing placed = QUEUED;
    *seq = 0;
    if (bus->queue.live >= bus->max_queue_size) {
        switch ((onex_overflow)bus->overflow) {
        case ONEX_OVERFLOW_BLOCK:
            if (may_wait) {
                placed = QUEUED_FULL;
            }
            else if (bus->queue.live >= 2 * bus->max_queue_size) {
                placed = DROPPED;
            }
            break;
        case ONEX_OVERFLOW_DROP_OLDEST:
            if (drop_oldest(bus) < 0) {
                return FAILED;
            }
            break;
        case ONEX_OVERFLOW_DROP_NEWEST:
            placed = DROPPED;
            break;
        case ONEX_OVERFLOW_RAISE:
            placed = REFUSED;
            break;
        }
    }
    if (placed == DROPPED || placed == REFUSED) {
        bus->emitted++;
        if (onex_bus_count_drop(bus, ONEX_DROP_QUEUE_FULL, 1) < 0 ||
            (receipt != NULL && onex_bus_announce(bus, event, receipt) < 0)) {
            return FAILED;
        }
        return placed;
    }
    onex_entry entry = {NULL, NULL, NULL};
    if (bus->propagate_context) {
        entry.context = PyContext_CopyCurrent();
        if (entry.context == NULL) {
            return FAILED;
        }
    }
    if (bus->watchers != NULL && PyList_GET_SIZE(bus->watchers) > 0) {
        PyObject *seen =
            PyObject_CallMethod((PyObject *)bus, "_watch_emitted", "O", event);
        if (seen == NULL) {
            Py_XDECREF(entry.context);
            return FAILED;
        }
        Py_DECREF(seen);
    }
    entry.event = Py_NewRef(event);
    entry.receipt = Py_XNewRef(receipt);
    uint64_t place_number = onex_queue_tail(&bus->queue);
    if (onex_queue_push(&bus->queue, entry) < 0) {
        take_back(bus, &entry);
        return FAILED;
    }
    bus->emitted++;
    *seq = place_number;
    return placed;
}

int
onex_bus_dispatch(onex_bus *bus)
{
    uint64_t token = bus->token;
    if (!onex_bus_work_left(bus) && PyList_GET_SIZE(bus->batch_ends) == 0) {
        bus->token = 0;
        return 0;
    }
    PyObject *number = PyLong_FromUnsignedLongLong(token);
    PyObject *done = number == NULL
                         ? NULL
                         : PyObject_CallMethodOneArg(
                               (PyObject *)bus, bus->st->str__dispatch, number);
    Py_XDECREF(number);
    if (done == NULL) {
        if (bus->token == token) {
            bus->token = 0;
        }
        return -1;
    }
    Py_DECREF(done);
    return 0;
}

/* While somebody delivers: the running loop's end is to wait for our event too,
 * so a loop that emits when there is no home becomes the home loop. 0 / -1 */
static int
join_loop(onex_bus *bus)
{
    if (bus->home != NULL || bus->background || bus->exiting) {
        return 0;
    }
    PyObject *loop = onex_running_loop(bus->st);
    if (loop == NULL) {
        return 0;
    }
    Py_DECREF(loop);
    PyObject *done =
        PyObject_CallMethod((PyObject *)bus, "_adopt_running_loop", NULL);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* Sees to it that somebody delivers what is queued.  Where that fails the event
 * stays queued, for the next emission or flush to see to it.  0, or -1 with
 * KeyboardInterrupt or SystemExit. */
static int
wake(onex_bus *bus)
{
    int result = 0;
    if (bus->token != 0) {
        result = join_loop(bus);
    }
    else if (!bus->exiting) {
        bus->token = ++bus->last_token;
        result = onex_bus_dispatch(bus);
    }
    if (result < 0 && !onex_exception_is_exit((PyObject *)PyErr_Occurred())) {
        result = onex_bus_log_error(bus, NULL);
    }
    return result;
}

static int
check_emittable(onex_bus *bus, PyObject *event, const char *function)
{
    if (!onex_event_check(bus->st, event)) {
        PyObject *id = PyObject_GetAttr(event, bus->st->str_id);
        PyObject *type =
            id == NULL ? NULL : PyObject_GetAttr(event, bus->st->str_type);
        bool is_event = type != NULL && !PyType_Check(event);
        Py_XDECREF(id);
        Py_XDECREF(type);
        if (!is_event) {
            if (PyErr_Occurred() &&
                !PyErr_ExceptionMatches(PyExc_AttributeError)) {
                return -1;
            }
            PyErr_Format(PyExc_TypeError,
                         "%s: event must be an Event (or an object with id, "
                         "type and parent_id), not %R",
                         function,
                         PyType_Check(event) ? event
                                             : (PyObject *)Py_TYPE(event));
            return -1;
        }
    }
    if (bus->closed) {
        PyErr_Format(PyExc_RuntimeError,
                     "%s: the bus is closed; emit before close() or make a "
                     "new EventBus",
                     function);
        return -1;
    }
    return 0;
}

static void
set_queue_full(onex_bus *bus)
{
    PyErr_Format(bus->st->queue_full_error,
                 "the event queue is full: %zd events wait and max_queue_size "
                 "is %zd",
                 bus->queue.live, bus->max_queue_size);
}

/* --- emit ------------------------------------------------------------------------ */

static bool
may_wait_here(onex_bus *bus, const place *here)
{
    return !here->in_own_handler && !here->delivering && !bus->exiting;
}

PyObject *
onex_bus_emit(onex_bus *bus, PyObject *event, PyObject *receipt)
{
    place here = {NULL, false, false, false};
    if (check_emittable(bus, event, "emit") < 0) {
        return NULL;
    }
    /* Only a full queue asks where we are. */
    bool full = bus->queue.live >= bus->max_queue_size;
    if (full && look_around(bus, &here) < 0) {
        return NULL;
    }
    Py_CLEAR(here.loop);
    uint64_t seq;
    /* Made before the event is queued: an error says that it is not. */
    PyObject *emitted = onex_emitted_new(bus->st, event);
    if (emitted == NULL) {
        return NULL;
    }
    placing placed =
        place_event(bus, event, receipt, may_wait_here(bus, &here), &seq);
    if (placed == REFUSED) {
        set_queue_full(bus);
    }
    if (placed == REFUSED || placed == FAILED) {
        goto error;
    }
    if (placed == QUEUED_FULL) {
        PyObject *waiter = PyObject_CallMethod(
            (PyObject *)bus, "_room", "KO", (unsigned long long)seq, Py_False);
        if (waiter != NULL) {
            onex_emitted_wait_for(emitted, waiter);
        }
        else if (onex_bus_log_error(bus, event) < 0) {
            goto error; /* else: queued, and nobody waits */
        }
    }
    if (wake(bus) == 0) {
        return emitted;
    }
error:
    Py_DECREF(emitted);
    return NULL;
}

/* --- emit_sync ------------------------------------------------------------------- */

/* After an error of whoever had the token under this number: somebody else is
 * to go on.  The exception that is set stays. */
static void
hand_on(onex_bus *bus, uint64_t token)
{
    if (bus->token != token) {
        return;
    }
    PyObject *exception = onex_exception_take();
    bus->draining_thread = 0;
    bus->token = ++bus->last_token;
    if (onex_bus_dispatch(bus) < 0) {
        PyErr_WriteUnraisable((PyObject *)bus);
    }
    onex_exception_restore(exception);
}

/* The token is ours and entry `seq` is queued: delivers up to it, and what
 * its handlers emitted.  0, or -1 with KeyboardInterrupt or SystemExit. */
static int
deliver_here(onex_bus *bus, uint64_t token, uint64_t seq, bool decorated)
{
    onex_step step =
        onex_bus_advance(bus, token, ONEX_ON_THREAD, NULL, seq, -1);
    if (step == ONEX_STEP_DONE && bus->token == token) {
        /* `seq` is delivered; what its handlers emitted follows, but not
         * what others go on emitting for ever. */
        step = onex_bus_advance(bus, token, ONEX_ON_THREAD, NULL, 0,
                                bus->max_queue_size);
    }
    if (step == ONEX_STEP_DONE) {
        return 0;
    }
    PyObject *done = NULL;
    if (step != ONEX_STEP_ERROR) {
        done = PyObject_CallMethod((PyObject *)bus, "_deliver_inline", "KKiO",
                                   (unsigned long long)token,
                                   (unsigned long long)seq, (int)step,
                                   decorated ? Py_True : Py_False);
    }
    if (done == NULL) {
        hand_on(bus, token);
        return -1;
    }
    Py_DECREF(done);
    return 0;
}

static int
emit_sync(onex_bus *bus, PyObject *event, bool decorated)
{
    place here;
    if (look_around(bus, &here) < 0) {
        return -1;
    }
    bool in_loop = here.loop != NULL;
    Py_CLEAR(here.loop);
    bool queues = in_loop || here.in_handler || here.delivering ||
                  bus->background || bus->exiting;
    bool inline_now = !queues && bus->token == 0;
    if (inline_now) {
        int recorded = onex_bus_record_unheard(bus, event);
        if (recorded != 0) {
            return recorded < 0 ? -1 : 0;
        }
    }
    bool may_wait = !in_loop && may_wait_here(bus, &here);
    uint64_t seq;
    if (inline_now) {
        /* We deliver what is before it: no bound is in the way. */
        uint64_t token = bus->token = ++bus->last_token;
        if (bus->queue.live >= bus->max_queue_size &&
            onex_bus_advance(bus, token, ONEX_ON_THREAD, NULL, 0, -1) ==
                ONEX_STEP_ERROR) {
            PyErr_WriteUnraisable((PyObject *)bus);
        }
        placing placed = place_event(bus, event, NULL, true, &seq);
        if (placed != QUEUED && placed != QUEUED_FULL) {
            seq = 0;
        }
        if (bus->token == 0) {
            token = bus->token = ++bus->last_token;
        }
        if (placed == FAILED || placed == REFUSED) {
            hand_on(bus, token);
            if (placed == REFUSED && !decorated) {
                set_queue_full(bus);
                return -1;
            }
            return placed == REFUSED ? 0 : -1;
        }
        return deliver_here(bus, token, seq, decorated);
    }
    placing placed = place_event(bus, event, NULL, may_wait, &seq);
    if (placed == REFUSED) {
        if (decorated) {
            return 0;
        }
        set_queue_full(bus);
    }
    if (placed == FAILED || placed == REFUSED || wake(bus) < 0) {
        return -1;
    }
    PyObject *done = NULL;
    if (placed == QUEUED_FULL) {
        done = PyObject_CallMethod((PyObject *)bus, "_wait_for_room", "KO",
                                   (unsigned long long)seq,
                                   decorated ? Py_True : Py_False);
        if (done == NULL) {
            return -1;
        }
        Py_DECREF(done);
    }
    if (queues || decorated || placed == DROPPED) {
        return 0;
    }
    done = PyObject_CallMethod((PyObject *)bus, "_wait_delivered", "K",
                               (unsigned long long)seq);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

PyObject *
onex_bus_emit_sync(onex_bus *bus, PyObject *event)
{
    if (check_emittable(bus, event, "emit_sync") < 0 ||
        emit_sync(bus, event, false) < 0) {
        return NULL;
    }
    return Py_NewRef(event);
}

/* --- for decorated functions ------------------------------------------------------ */

int
onex_bus_emit_decorated(onex_state *st, PyObject *bus_object, PyObject *event,
                        bool sync, PyObject **wait)
{
    onex_bus *bus = (onex_bus *)(bus_object == NULL ? onex_bus_default(st)
                                                    : Py_NewRef(bus_object));
    int result = -1;
    if (wait != NULL) {
        *wait = NULL;
    }
    if (bus == NULL) {
        return -1;
    }
    if (bus->closed) {
        bus->emitted++;
        result = onex_bus_count_drop(bus, ONEX_DROP_CLOSED, 1);
        goto done;
    }
    if (sync) {
        result = emit_sync(bus, event, true);
        goto done;
    }
    place here = {NULL, false, false, false};
    if (bus->queue.live >= bus->max_queue_size && look_around(bus, &here) < 0) {
        goto done;
    }
    Py_CLEAR(here.loop);
    uint64_t seq;
    placing placed = place_event(
        bus, event, NULL, wait != NULL && may_wait_here(bus, &here), &seq);
    if (placed == REFUSED) {
        result = 0;
        goto done;
    }
    if (placed == FAILED || wake(bus) < 0) {
        goto done;
    }
    if (placed == QUEUED_FULL) {
        *wait = PyObject_CallMethod((PyObject *)bus, "_room", "KO",
                                    (unsigned long long)seq, Py_True);
        if (*wait == NULL) {
            goto done;
        }
    }
    result = 0;
done:
    if (result < 0 && PyErr_Occurred() &&
        !onex_exception_is_exit((PyObject *)PyErr_Occurred())) {
        /* Listening never changes the program. */
        result = onex_bus_log_error(bus, event);
    }
    Py_DECREF((PyObject *)bus);
    return result;
}
