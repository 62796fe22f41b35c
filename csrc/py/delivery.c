/* Delivery: the drain's loop, and one event on its way to its handlers.
 *
 * A drain holds the bus's token.  It takes queued events one by one and calls
 * their handlers as long as it can do that itself; where it can't (a handler
 * suspends, needs a thread, another loop, or orchestration) it stops with the
 * reason, everything it has reached stays in the bus, and whoever goes on
 * continues there. */
#include "py/bus_internal.h"
#include "py/exceptions.h"

#include <stddef.h>
#include <structmember.h>

#include "core/clock.h"
#include "py/handler_context.h"

/* --- the end of a handler, of a delivery ---------------------------------- */

/* Gives the receipt one handler's value or exception (both borrowed). */
static int
give_receipt(onex_delivery *delivery, onex_subscription *sub, PyObject *value)
{
    if (delivery->receipt == NULL || sub->internal) {
        return 0;
    }
    PyObject *done = PyObject_CallMethod(delivery->receipt, "result", "OO",
                                         (PyObject *)sub, value);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

static int
handler_ended(onex_delivery *delivery, onex_subscription *sub,
              int64_t started_ns, PyObject *result, bool timed_out)
{
    onex_bus *bus = delivery->bus;
    int status = 0;
    int64_t took = onex_clock_monotonic_ns() - started_ns;
    if (sub->stats != NULL) {
        onex_handler_stats_record((onex_handler_stats *)sub->stats, took);
    }
    if (result != NULL) {
        if (sub->timeout >= 0 && !sub->is_async &&
            (double)took > sub->timeout * 1e9) {
            bus->handler_errors++;
            PyObject *done =
                PyObject_CallMethod((PyObject *)bus, "_log_slow", "Od",
                                    (PyObject *)sub, (double)took * 1e-9);
            if (done == NULL) {
                PyErr_WriteUnraisable((PyObject *)bus);
            }
            Py_XDECREF(done);
        }
        return give_receipt(delivery, sub, result);
    }
    bus->handler_errors++;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback != NULL) {
        (void)PyException_SetTraceback(value, traceback);
    }
    bool leaves = onex_exception_is_exit(type);
    PyObject *shown = PyObject_CallMethod(
        (PyObject *)bus, "_handler_failed", "OOOO", (PyObject *)sub,
        delivery->event, value, timed_out ? Py_True : Py_False);
    if (shown == NULL) {
        PyErr_WriteUnraisable((PyObject *)bus);
        shown = Py_NewRef(value);
    }
    if (give_receipt(delivery, sub, shown) < 0) {
        PyErr_WriteUnraisable((PyObject *)bus);
    }
    Py_DECREF(shown);
    if (leaves) {
        PyErr_Restore(type, value, traceback);
        status = -1;
    }
    else {
        Py_XDECREF(type);
        Py_XDECREF(value);
        Py_XDECREF(traceback);
    }
    return status;
}

static int
add_to_batch(onex_bus *bus, PyObject *event, PyObject *receipt, uint64_t seq)
{
    PyObject *end = PyTuple_Pack(2, event, receipt == NULL ? Py_None : receipt);
    if (end == NULL || PyList_Append(bus->batch, event) < 0) {
        Py_XDECREF(end);
        return -1;
    }
    int result = PyList_Append(bus->batch_ends, end);
    Py_DECREF(end);
    if (result < 0) {
        PyObject *exception = onex_exception_take();
        Py_ssize_t n = PyList_GET_SIZE(bus->batch);
        (void)PyList_SetSlice(bus->batch, n - 1, n, NULL);
        onex_exception_restore(exception);
    }
    else if (PyList_GET_SIZE(bus->batch_ends) == 1 || seq < bus->batch_seq) {
        bus->batch_seq = seq;
    }
    return result;
}

/* The event's delivery is over.  0, or -1 with KeyboardInterrupt or
 * SystemExit. */
static int
finish(onex_bus *bus, PyObject *event, PyObject *receipt, uint64_t seq)
{
    if (PyList_GET_SIZE(bus->listeners) > 0) {
        /* Handled once the listeners have seen it, in the next run. */
        if (add_to_batch(bus, event, receipt, seq) == 0) {
            return 0;
        }
        bus->handler_errors++; /* they never will */
        if (onex_bus_log_error(bus, event) < 0) {
            PyErr_WriteUnraisable((PyObject *)bus);
        }
    }
    bus->in_flight_count--;
    bus->handled++;
    return onex_bus_announce(bus, event, receipt);
}

/* Hands the listeners what was delivered since the last run. */
static int
flush_batch(onex_bus *bus)
{
    while (PyList_GET_SIZE(bus->batch_ends) > 0) {
        PyObject *events = bus->batch, *ends = bus->batch_ends;
        PyObject *new_batch = PyList_New(0), *new_ends = PyList_New(0);
        if (new_batch == NULL || new_ends == NULL) {
            Py_XDECREF(new_batch);
            Py_XDECREF(new_ends);
            return -1;
        }
        bus->batch = new_batch;
        bus->batch_ends = new_ends;
        PyObject *done = PyObject_CallMethodOneArg(
            (PyObject *)bus, bus->st->str__accept, events);
        Py_DECREF(events);
        bool failed = done == NULL;
        Py_XDECREF(done);
        PyObject *type = NULL, *value = NULL, *traceback = NULL;
        if (failed) {
            PyErr_Fetch(&type, &value, &traceback);
        }
        Py_ssize_t n = PyList_GET_SIZE(ends);
        bus->in_flight_count -= n;
        bus->handled += (uint64_t)n;
        for (Py_ssize_t i = 0; i < n; i++) {
            PyObject *end = PyList_GET_ITEM(ends, i);
            PyObject *receipt = PyTuple_GET_ITEM(end, 1);
            if (onex_bus_announce(bus, PyTuple_GET_ITEM(end, 0),
                                  receipt == Py_None ? NULL : receipt) < 0) {
                PyErr_WriteUnraisable((PyObject *)bus);
            }
        }
        Py_DECREF(ends);
        if (failed) {
            PyErr_Restore(type, value, traceback);
            return -1;
        }
    }
    return 0;
}

/* --- deliveries in flight ---------------------------------------------------- */

/* Linked through themselves: neither way takes memory, which could fail. */

void
onex_delivery_detach(onex_delivery *delivery)
{
    onex_bus *bus = delivery->bus;
    if (delivery->detached) {
        return;
    }
    delivery->detached = true;
    delivery->before = NULL;
    delivery->behind = bus->in_flight;
    if (bus->in_flight != NULL) {
        bus->in_flight->before = delivery;
    }
    bus->in_flight = (onex_delivery *)Py_NewRef((PyObject *)delivery);
}

/* The reference that the link was is the caller's. */
static void
take_out(onex_bus *bus, onex_delivery *delivery)
{
    delivery->detached = false;
    if (delivery->before == NULL) {
        bus->in_flight = delivery->behind;
    }
    else {
        delivery->before->behind = delivery->behind;
    }
    if (delivery->behind != NULL) {
        delivery->behind->before = delivery->before;
    }
}

void
onex_bus_let_go_in_flight(onex_bus *bus)
{
    while (bus->in_flight != NULL) {
        onex_delivery *delivery = bus->in_flight;
        take_out(bus, delivery);
        Py_DECREF((PyObject *)delivery);
    }
}

int
onex_delivery_settle(onex_delivery *delivery)
{
    onex_bus *bus = delivery->bus;
    Py_ssize_t n =
        delivery->subs == NULL ? 0 : PyTuple_GET_SIZE(delivery->subs);
    if (delivery->done || delivery->next < n || delivery->pending > 0) {
        return 0;
    }
    delivery->done = true;
    bool detached = delivery->detached;
    if (detached) {
        take_out(bus, delivery);
    }
    int result = finish(bus, delivery->event, delivery->receipt, delivery->seq);
    if (detached) {
        Py_DECREF((PyObject *)delivery);
    }
    return result;
}

/* --- calling handlers ------------------------------------------------------ */

/* The iterator that steps an awaitable: new reference or NULL. */
PyObject *
onex_awaitable_iterator(PyObject *awaitable)
{
    if (PyCoro_CheckExact(awaitable)) {
        return Py_NewRef(awaitable);
    }
    return Py_TYPE(awaitable)->tp_as_async->am_await(awaitable);
}

/* The end of a handler that had yielded its turn: the drain has gone on, so
 * the handler itself settles the delivery. 0 / -1 */
static int
settle_yielded(onex_delivery *delivery, onex_frame *frame)
{
    if (!frame->yielded) {
        return 0;
    }
    delivery->pending--;
    return onex_delivery_settle(delivery);
}

int
onex_handler_over(onex_delivery *delivery, onex_subscription *sub,
                  onex_frame *frame, int64_t started_ns, PyObject *result,
                  bool timed_out)
{
    onex_handler_frame_over(delivery->bus->st, frame);
    int status = handler_ended(delivery, sub, started_ns, result, timed_out);
    PyObject *exception = status < 0 ? onex_exception_take() : NULL;
    if (settle_yielded(delivery, frame) < 0) {
        PyErr_WriteUnraisable((PyObject *)delivery->bus);
    }
    onex_exception_restore(exception);
    return status;
}

/* Keeps what is left of a call as bus->run.  DONE with an exception: it can't
 * be kept, and the handler has failed. */
static onex_step
suspend(onex_bus *bus, onex_delivery *delivery, onex_subscription *sub,
        const onex_handler_place *place, PyObject *iterator, PyObject *yielded,
        int64_t started_ns, onex_step why)
{
    onex_handler_run *run =
        onex_handler_run_new(delivery, sub, place->frame, place->context,
                             iterator, yielded, started_ns);
    if (run == NULL) {
        return ONEX_STEP_DONE;
    }
    Py_XSETREF(bus->run, run);
    return why;
}

/* Can this executor step an async handler of `sub` itself? */
static bool
steps_here(onex_bus *bus, onex_subscription *sub, onex_executor on,
           PyObject *loop)
{
    if (on == ONEX_ON_LOOP) {
        return sub->loop == loop || (sub->loop == NULL && bus->home == loop);
    }
    return on == ONEX_ON_OWN_LOOP && sub->loop == NULL && bus->home == NULL;
}

/* Calls one handler.  DONE: it is over and accounted for (the token may be
 * lost: the caller looks); AWAIT, LOOP: bus->run holds what is left; ERROR:
 * KeyboardInterrupt, SystemExit or an error of our own. */
static onex_step
call_handler(onex_bus *bus, onex_delivery *delivery, onex_subscription *sub,
             PyObject *handler, onex_executor on, PyObject *loop)
{
    PyObject *result = NULL, *iterator = NULL;
    onex_handler_place place;
    onex_step step = ONEX_STEP_DONE;
    int64_t started = onex_clock_monotonic_ns();
    if (onex_handler_enter(delivery, sub, &place) < 0) {
        return handler_ended(delivery, sub, started, NULL, false) < 0
                   ? ONEX_STEP_ERROR
                   : ONEX_STEP_DONE;
    }
    result = PyObject_CallOneArg(handler, delivery->event);
    if (result != NULL && onex_is_awaitable(result)) {
        iterator = onex_awaitable_iterator(result);
        Py_CLEAR(result);
        if (iterator == NULL) {
            /* the error is the handler's */
        }
        else if (!steps_here(bus, sub, on, loop)) {
            step = suspend(bus, delivery, sub, &place, iterator, NULL, started,
                           ONEX_STEP_LOOP);
        }
        else {
            PyObject *value;
            PySendResult sent = PyIter_Send(iterator, Py_None, &value);
            if (sent == PYGEN_RETURN) {
                result = value;
            }
            else if (sent == PYGEN_NEXT) {
                step = suspend(bus, delivery, sub, &place, iterator, value,
                               started, ONEX_STEP_AWAIT);
                Py_DECREF(value);
            }
        }
        if (step == ONEX_STEP_DONE && result == NULL) {
            PyObject *exception = onex_exception_take();
            Py_CLEAR(iterator); /* closes what could not be kept */
            onex_exception_restore(exception);
        }
        Py_CLEAR(iterator);
    }
    if (step == ONEX_STEP_DONE &&
        onex_handler_over(delivery, sub, place.frame, started, result, false) <
            0) {
        step = ONEX_STEP_ERROR;
    }
    Py_XDECREF(result);
    onex_handler_place_leave(bus, &place);
    return step;
}

/* Asks the predicate of the handler whose turn it is: 1, 0, or -1 with
 * KeyboardInterrupt or SystemExit.  One that raises says no, is counted and
 * logged. */
static int
ask_predicate(onex_bus *bus, onex_delivery *delivery, onex_subscription *sub)
{
    if (sub->predicate == NULL || delivery->checked > delivery->next) {
        return 1;
    }
    PyObject *answer = PyObject_CallOneArg(sub->predicate, delivery->event);
    int yes = answer == NULL ? -1 : PyObject_IsTrue(answer);
    Py_XDECREF(answer);
    if (yes < 0) {
        bus->handler_errors++;
        yes = onex_bus_log_error(bus, sub->predicate);
    }
    else if (yes) {
        delivery->checked = delivery->next + 1;
    }
    return yes;
}

/* Works on one event until it is done or needs somebody else. */
static onex_step
continue_delivery(onex_bus *bus, onex_delivery *delivery, uint64_t token,
                  onex_executor on, PyObject *loop)
{
    while (delivery->subs != NULL &&
           delivery->next < PyTuple_GET_SIZE(delivery->subs)) {
        onex_subscription *sub = (onex_subscription *)PyTuple_GET_ITEM(
            delivery->subs, delivery->next);
        PyObject *handler = sub->active ? onex_subscription_handler(sub) : NULL;
        if (handler == NULL) {
            delivery->next++;
            continue;
        }
        int wanted = ask_predicate(bus, delivery, sub);
        if (wanted <= 0) {
            Py_DECREF(handler);
            delivery->next++;
            if (wanted < 0) {
                return ONEX_STEP_ERROR;
            }
            continue;
        }
        if (onex_subscription_special(sub) &&
            (sub->is_async || sub->concurrency > 0)) {
            if (on == ONEX_ON_THREAD || on == ONEX_ON_CALLBACK) {
                Py_DECREF(handler);
                return ONEX_STEP_LOOP;
            }
            Py_DECREF(handler);
            return ONEX_STEP_SPECIAL;
        }
        if (!sub->internal) {
            if (sub->is_async ? !steps_here(bus, sub, on, loop)
                              : on == ONEX_ON_LOOP || on == ONEX_ON_CALLBACK) {
                Py_DECREF(handler);
                return sub->is_async ? ONEX_STEP_LOOP : ONEX_STEP_THREAD;
            }
        }
        delivery->next++;
        onex_step step = call_handler(bus, delivery, sub, handler, on, loop);
        Py_DECREF(handler);
        if (step != ONEX_STEP_DONE) {
            return step;
        }
        if (bus->token != token) {
            return ONEX_STEP_LOST;
        }
    }
    return onex_delivery_settle(delivery) < 0 ? ONEX_STEP_ERROR
                                              : ONEX_STEP_DONE;
}

/* --- the drain -------------------------------------------------------------- */

/* Records an event and finds its handlers; an event without any is finished
 * here.  The entry's references are taken.  0 / -1 */
static int
begin_delivery(onex_bus *bus, onex_entry *entry, uint64_t seq)
{
    PyObject *displaced = NULL, *name = NULL, *subs = NULL;
    int result = -1;
    if (onex_history_append(bus->st, bus->history, entry->event, &displaced) <
        0) {
        PyErr_WriteUnraisable((PyObject *)bus);
    }
    name = onex_event_type_name(bus->st, entry->event);
    onex_match *match =
        name == NULL ? NULL : onex_bus_match(bus, Py_TYPE(entry->event), name);
    if (match != NULL) {
        match->count++;
        subs = Py_XNewRef(match->subs);
    }
    else {
        bus->handler_errors++; /* whoever they are, they don't get it */
        if (onex_bus_log_error(bus, entry->event) < 0) {
            PyErr_WriteUnraisable((PyObject *)bus);
        }
    }
    if (subs == NULL) {
        result = finish(bus, entry->event, entry->receipt, seq);
        goto done;
    }
    onex_delivery *delivery = bus->spare_delivery;
    bus->spare_delivery = NULL;
    if (delivery == NULL) {
        delivery = PyObject_GC_New(onex_delivery,
                                   (PyTypeObject *)bus->st->delivery_type);
        if (delivery != NULL) {
            delivery->bus = (onex_bus *)Py_NewRef((PyObject *)bus);
        }
    }
    if (delivery == NULL) {
        PyErr_WriteUnraisable((PyObject *)bus);
        bus->handler_errors++;
        result = finish(bus, entry->event, entry->receipt, seq);
        goto done;
    }
    delivery->event = Py_NewRef(entry->event);
    delivery->context = Py_XNewRef(entry->context);
    delivery->receipt = Py_XNewRef(entry->receipt);
    delivery->subs = Py_NewRef(subs);
    delivery->next = 0;
    delivery->checked = 0;
    delivery->pending = 0;
    delivery->seq = seq;
    delivery->detached = false;
    delivery->done = false;
    if (!PyObject_GC_IsTracked((PyObject *)delivery)) {
        PyObject_GC_Track(delivery);
    }
    bus->current = delivery;
    result = 0;
done:
    Py_XDECREF(subs);
    Py_XDECREF(name);
    onex_entry_clear(entry);
    Py_XDECREF(displaced);
    return result;
}

/* Gives up a reference; a delivery that nobody else has is used again. */
static void
release_delivery(onex_bus *bus, onex_delivery *delivery)
{
#ifndef Py_GIL_DISABLED
    if (bus->spare_delivery == NULL && Py_REFCNT((PyObject *)delivery) == 1) {
        PyObject *event = delivery->event, *context = delivery->context,
                 *receipt = delivery->receipt, *subs = delivery->subs;
        delivery->event = NULL;
        delivery->context = NULL;
        delivery->receipt = NULL;
        delivery->subs = NULL;
        bus->spare_delivery = delivery;
        Py_XDECREF(event);
        Py_XDECREF(context);
        Py_XDECREF(receipt);
        Py_XDECREF(subs);
        return;
    }
#endif
    Py_DECREF((PyObject *)delivery);
}

int
onex_bus_record_unheard(onex_bus *bus, PyObject *event)
{
    PyObject *displaced = NULL;
    if (onex_bus_work_left(bus) || PyList_GET_SIZE(bus->listeners) > 0 ||
        PyList_GET_SIZE(bus->watchers) > 0 ||
        !onex_event_check(bus->st, event)) {
        return 0;
    }
    PyObject *name = onex_event_type_name(bus->st, event);
    if (name == NULL) {
        return -1;
    }
    onex_match *match = onex_bus_match(bus, Py_TYPE(event), name);
    Py_DECREF(name);
    if (match == NULL || match->subs != NULL || onex_bus_work_left(bus)) {
        return PyErr_Occurred() ? -1 : 0;
    }
    match->count++;
    bus->emitted++;
    bus->handled++;
    int result = onex_history_append(bus->st, bus->history, event, &displaced);
    Py_XDECREF(displaced);
    return result < 0 ? -1 : 1;
}

onex_step
onex_bus_advance(onex_bus *bus, uint64_t token, onex_executor on,
                 PyObject *loop, uint64_t until, Py_ssize_t budget)
{
    if (bus->token != token) {
        return ONEX_STEP_LOST;
    }
    onex_step step = ONEX_STEP_DONE;
    if (bus->run != NULL) {
        /* A call that another executor could not step. */
        return steps_here(bus, bus->run->sub, on, loop) ? ONEX_STEP_AWAIT
                                                        : ONEX_STEP_LOOP;
    }
    bus->draining_thread = PyThread_get_thread_ident();
    for (;;) {
        onex_delivery *delivery = bus->current;
        if (delivery == NULL) {
            onex_entry entry;
            if (until != 0 && onex_bus_settled(bus) > until) {
                /* The listeners must have seen it too. */
                if (flush_batch(bus) < 0) {
                    step = ONEX_STEP_ERROR;
                }
                break;
            }
            if (budget == 0) {
                step = flush_batch(bus) < 0 ? ONEX_STEP_ERROR : ONEX_STEP_PAUSE;
                break;
            }
            if (!onex_queue_pop(&bus->queue, &entry)) {
                if (flush_batch(bus) < 0) {
                    step = ONEX_STEP_ERROR;
                    break;
                }
                if (bus->token != token || !onex_bus_work_left(bus)) {
                    break;
                }
                continue;
            }
            budget -= budget > 0;
            bus->in_flight_count++;
            if (bus->space_for != 0 &&
                bus->space_for <=
                    bus->queue.head + (uint64_t)bus->max_queue_size) {
                PyObject *done =
                    PyObject_CallMethod((PyObject *)bus, "_room_made", NULL);
                if (done == NULL) {
                    PyErr_WriteUnraisable((PyObject *)bus);
                }
                Py_XDECREF(done);
            }
            if (begin_delivery(bus, &entry, bus->queue.head - 1) < 0) {
                step = ONEX_STEP_ERROR;
                break;
            }
            if (bus->current == NULL) {
                continue;
            }
            delivery = bus->current;
        }
        Py_INCREF((PyObject *)delivery);
        step = continue_delivery(bus, delivery, token, on, loop);
        if (step == ONEX_STEP_DONE && bus->current == delivery) {
            bus->current = NULL;
            Py_DECREF((PyObject *)delivery);
        }
        release_delivery(bus, delivery);
        if (step != ONEX_STEP_DONE) {
            PyObject *type, *value, *traceback;
            PyErr_Fetch(&type, &value, &traceback);
            if (step != ONEX_STEP_LOST && bus->token == token &&
                flush_batch(bus) < 0) {
                PyErr_WriteUnraisable((PyObject *)bus);
            }
            PyErr_Restore(type, value, traceback);
            break;
        }
        if (bus->token != token) {
            step = ONEX_STEP_LOST;
            break;
        }
    }
    if (bus->token == token) {
        bus->draining_thread = 0;
        if (step == ONEX_STEP_DONE && !onex_bus_work_left(bus)) {
            bus->token = 0;
        }
    }
    return bus->token != token && bus->token != 0 && step == ONEX_STEP_DONE
               ? ONEX_STEP_LOST
               : step;
}

/* --- yielding the turn ------------------------------------------------------ */

/* Lets go of what the handler call of `frame` keeps others from: its place in
 * the drain, or its concurrency slot. 0 / -1 */
static int
yield_one(onex_frame *frame)
{
    onex_delivery *delivery = (onex_delivery *)frame->delivery;
    onex_bus *bus = delivery->bus;
    if (frame->yielded) {
        PyObject *done =
            PyObject_CallMethod((PyObject *)bus, "_release_slot", "OO",
                                frame->subscription, (PyObject *)frame);
        Py_XDECREF(done);
        return done == NULL ? -1 : 0;
    }
    onex_delivery_detach(delivery);
    frame->yielded = true;
    delivery->pending++;
    if (bus->current == delivery) {
        bus->token = ++bus->last_token;
        bus->draining_thread = 0;
        return onex_bus_dispatch(bus);
    }
    return 0;
}

/* Called inside a handler that is about to wait for the bus: it, and every
 * handler call it is part of, yields its turn. */
PyObject *
onex_bus_yield_turn(onex_bus *bus)
{
    onex_frame *top = onex_context_top(bus->st);
    if (top == NULL && PyErr_Occurred()) {
        return NULL;
    }
    onex_frame *frame = top == NULL ? NULL : top->handler;
    while (frame != NULL) {
        if (frame->active && yield_one(frame) < 0) {
            Py_DECREF((PyObject *)top);
            return NULL;
        }
        frame = frame->outer == NULL ? NULL : frame->outer->handler;
    }
    Py_XDECREF((PyObject *)top);
    Py_RETURN_NONE;
}

/* --- the type --------------------------------------------------------------- */

static int
delivery_traverse(PyObject *self, visitproc visit, void *arg)
{
    onex_delivery *delivery = (onex_delivery *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT((PyObject *)delivery->bus);
    Py_VISIT(delivery->event);
    Py_VISIT(delivery->context);
    Py_VISIT(delivery->receipt);
    Py_VISIT(delivery->subs);
    return 0;
}

static int
delivery_clear(PyObject *self)
{
    onex_delivery *delivery = (onex_delivery *)self;
    Py_CLEAR(delivery->bus);
    Py_CLEAR(delivery->event);
    Py_CLEAR(delivery->context);
    Py_CLEAR(delivery->receipt);
    Py_CLEAR(delivery->subs);
    return 0;
}

static void
delivery_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    (void)delivery_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMemberDef delivery_members[] = {
    {"event", T_OBJECT, offsetof(onex_delivery, event), READONLY, NULL},
    {"bus", T_OBJECT, offsetof(onex_delivery, bus), READONLY, NULL},
    {"seq", T_ULONGLONG, offsetof(onex_delivery, seq), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot delivery_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("One event on its way to its handlers.")},
    {Py_tp_traverse, delivery_traverse},
    {Py_tp_clear, delivery_clear},
    {Py_tp_dealloc, delivery_dealloc},
    {Py_tp_members, delivery_members},
    {0, NULL},
};

static PyType_Spec delivery_spec = {
    .name = "onex_events._core.Delivery",
    .basicsize = sizeof(onex_delivery),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = delivery_slots,
};

int
onex_delivery_setup(PyObject *module, onex_state *st)
{
    st->delivery_type = onex_add_type(module, &delivery_spec, NULL);
    return st->delivery_type == NULL ? -1 : 0;
}
