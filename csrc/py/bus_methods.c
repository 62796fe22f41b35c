/* The methods and properties of Bus: thin faces of the C functions, for
 * EventBus and its drain. */
#include "py/bus_internal.h"
#include "py/emit.h"
#include "py/emitted.h"

/* _configure(history_size, max_queue_size, overflow, propagate_context):
 * called once, by EventBus.__init__, with checked values. */
static PyObject *
bus_configure(PyObject *self, PyObject *args)
{
    onex_bus *bus = (onex_bus *)self;
    Py_ssize_t history_size, max_queue_size;
    int overflow, propagate;
    if (!PyArg_ParseTuple(args, "nnip:_configure", &history_size,
                          &max_queue_size, &overflow, &propagate)) {
        return NULL;
    }
    onex_history *history = onex_history_new(history_size);
    if (history == NULL) {
        return NULL;
    }
    onex_history *old = bus->history;
    bus->history = history;
    onex_history_free(old);
    bus->max_queue_size = max_queue_size;
    bus->overflow = overflow;
    bus->propagate_context = propagate;
    Py_RETURN_NONE;
}

/* --- methods: emission ---------------------------------------------------------------- */

PyDoc_STRVAR(
    emit_doc,
    "emit($self, event)\n--\n\n"
    "Queue an event; awaiting what this returns gives the event back.\n\n"
    "The event is queued when emit is called.  Awaiting suspends only while "
    "the queue is full and overflow is \"block\".\n\n"
    "Raises TypeError (no event), QueueFullError (overflow \"raise\"), "
    "RuntimeError (closed bus).");

/* The one argument `event`, positional or by name: borrowed, or NULL with a
 * TypeError. */
static PyObject *
event_argument(onex_bus *bus, const char *function, PyObject *const *args,
               Py_ssize_t nargs, PyObject *kwnames)
{
    Py_ssize_t named = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    if (nargs + named == 1 &&
        (named == 0 || PyUnicode_Compare(PyTuple_GET_ITEM(kwnames, 0),
                                         bus->st->str_event) == 0)) {
        return args[0];
    }
    if (!PyErr_Occurred()) {
        PyErr_Format(PyExc_TypeError,
                     "%s takes one argument, event; %zd positional and %zd "
                     "named ones were given",
                     function, nargs, named);
    }
    return NULL;
}

static PyObject *
bus_emit(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
         PyObject *kwnames)
{
    PyObject *event =
        event_argument((onex_bus *)self, "emit", args, nargs, kwnames);
    if (event == NULL) {
        return NULL;
    }
    return onex_bus_emit((onex_bus *)self, event, NULL);
}

/* _emit_tracked(event, receipt): emit, with receipt.result(subscription,
 * value) called for each handler and receipt.finish() at the end. */
static PyObject *
bus_emit_tracked(PyObject *self, PyObject *args)
{
    PyObject *event, *receipt;
    if (!PyArg_ParseTuple(args, "OO:_emit_tracked", &event, &receipt)) {
        return NULL;
    }
    return onex_bus_emit((onex_bus *)self, event, receipt);
}

PyDoc_STRVAR(
    emit_sync_doc,
    "emit_sync($self, event)\n--\n\n"
    "Emit from synchronous code and return the event.\n\n"
    "With no running loop the event, and what was queued before it, is "
    "delivered before this returns; inside a running loop, a handler, or "
    "after start_background() it is queued.\n\n"
    "Raises as emit, and KeyboardInterrupt and SystemExit from a handler.");

static PyObject *
bus_emit_sync(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
              PyObject *kwnames)
{
    PyObject *event =
        event_argument((onex_bus *)self, "emit_sync", args, nargs, kwnames);
    if (event == NULL) {
        return NULL;
    }
    return onex_bus_emit_sync((onex_bus *)self, event);
}

/* --- methods: the drain ------------------------------------------------------------------ */

/* _advance(token, executor, loop, until, budget) -> step, or the HandlerRun
 * that the drain is to await before it goes on */
static PyObject *
bus_advance(PyObject *self, PyObject *args)
{
    unsigned long long token, until;
    int on;
    PyObject *loop;
    Py_ssize_t budget;
    if (!PyArg_ParseTuple(args, "KiOKn:_advance", &token, &on, &loop, &until,
                          &budget)) {
        return NULL;
    }
    onex_emitted_forget(((onex_bus *)self)->st);
    onex_step step =
        onex_bus_advance((onex_bus *)self, token, (onex_executor)on,
                         loop == Py_None ? NULL : loop, until, budget);
    if (step == ONEX_STEP_ERROR) {
        return NULL;
    }
    if (step == ONEX_STEP_AWAIT) {
        onex_bus *bus = (onex_bus *)self;
        PyObject *run = (PyObject *)bus->run;
        bus->run = NULL;
        return run;
    }
    return PyLong_FromLong(step);
}

/* The token with a new number, which is returned; it stays as it was where
 * there is no memory for that. */
static PyObject *
new_token(onex_bus *bus)
{
    PyObject *number = PyLong_FromUnsignedLongLong(bus->last_token + 1);
    if (number != NULL) {
        bus->token = ++bus->last_token;
        bus->draining_thread = 0;
    }
    return number;
}

/* _take(): a new token if it is free and there is work, else 0. */
static PyObject *
bus_take(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    onex_bus *bus = (onex_bus *)self;
    if (bus->token != 0 || !onex_bus_work_left(bus)) {
        return PyLong_FromLong(0);
    }
    return new_token(bus);
}

/* _renew(token): takes the token away from whoever has it under this number
 * and returns its new number; 0 if somebody else has it.  After an error it is
 * free. */
static PyObject *
bus_renew(PyObject *self, PyObject *number)
{
    onex_bus *bus = (onex_bus *)self;
    uint64_t token = PyLong_AsUnsignedLongLong(number);
    if (token == (uint64_t)-1 && PyErr_Occurred()) {
        return NULL;
    }
    if (token == 0 || token != bus->token) {
        return PyLong_FromLong(0);
    }
    PyObject *renewed = new_token(bus);
    if (renewed == NULL) {
        bus->token = 0;
    }
    return renewed;
}

/* _release(token): gives the token back; True if there is work left, which
 * then needs somebody. */
static PyObject *
bus_release(PyObject *self, PyObject *number)
{
    onex_bus *bus = (onex_bus *)self;
    uint64_t token = PyLong_AsUnsignedLongLong(number);
    if (token == (uint64_t)-1 && PyErr_Occurred()) {
        return NULL;
    }
    if (token != bus->token) {
        Py_RETURN_FALSE;
    }
    bus->token = 0;
    bus->draining_thread = 0;
    return PyBool_FromLong(onex_bus_work_left(bus));
}

/* The subscription whose handler is next, borrowed, or NULL. */
static onex_subscription *
next_subscription(onex_bus *bus)
{
    onex_delivery *delivery = bus->current;
    if (bus->run != NULL) {
        return bus->run->sub;
    }
    if (delivery == NULL || delivery->subs == NULL ||
        delivery->next >= PyTuple_GET_SIZE(delivery->subs)) {
        return NULL;
    }
    return (onex_subscription *)PyTuple_GET_ITEM(delivery->subs,
                                                 delivery->next);
}

/* _begin_next(): the next handler's call, to be awaited by the drain. */
static PyObject *
bus_begin_next(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    onex_bus *bus = (onex_bus *)self;
    if (bus->run != NULL) {
        PyObject *run = (PyObject *)bus->run;
        bus->run = NULL;
        return run;
    }
    onex_subscription *sub = next_subscription(bus);
    if (sub == NULL) {
        Py_RETURN_NONE;
    }
    onex_delivery *delivery = bus->current;
    onex_handler_run *run =
        onex_handler_run_new(delivery, sub, NULL, NULL, NULL, NULL, 0);
    if (run != NULL) {
        delivery->next++;
    }
    return (PyObject *)run;
}

/* _launch_next(): the same, already out of the drain's way: the drain goes on
 * while somebody else awaits or calls it. */
static PyObject *
bus_launch_next(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *run = bus_begin_next(self, NULL);
    if (run != NULL && run != Py_None) {
        onex_handler_run_detach((onex_handler_run *)run);
    }
    return run;
}

/* _detach(run): takes a call that the drain awaits out of its way. */
static PyObject *
bus_detach_run(PyObject *self, PyObject *object)
{
    onex_bus *bus = (onex_bus *)self;
    if (!Py_IS_TYPE(object, (PyTypeObject *)bus->st->handler_run_type)) {
        PyErr_SetString(PyExc_TypeError, "run must be a HandlerRun");
        return NULL;
    }
    onex_handler_run_detach((onex_handler_run *)object);
    Py_RETURN_NONE;
}

static PyObject *
bus_yield_turn(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return onex_bus_yield_turn((onex_bus *)self);
}

PyDoc_STRVAR(in_handler_doc,
             "_in_handler($self, /)\n--\n\n"
             "0: in no handler; 1: in one of another bus; 2: of this bus, "
             "or on the thread that is inside its drain.");

static PyObject *
bus_in_handler(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    int where = onex_bus_in_handler((onex_bus *)self);
    return where < 0 ? NULL : PyLong_FromLong(where);
}

/* _drop(seq): drops one queued event for lack of room; False if it is queued no
 * longer. */
static PyObject *
bus_drop(PyObject *self, PyObject *number)
{
    onex_bus *bus = (onex_bus *)self;
    uint64_t seq = PyLong_AsUnsignedLongLong(number);
    if (seq == (uint64_t)-1 && PyErr_Occurred()) {
        return NULL;
    }
    onex_entry entry = onex_queue_drop(&bus->queue, seq);
    if (entry.event == NULL) {
        Py_RETURN_FALSE;
    }
    int result = onex_bus_count_drop(bus, ONEX_DROP_QUEUE_FULL, 1);
    if (result == 0) {
        result = onex_bus_announce(bus, entry.event, entry.receipt);
    }
    onex_entry_clear(&entry);
    return result < 0 ? NULL : Py_NewRef(Py_True);
}

/* list.clear(), which takes no memory. */
static int
empty(PyObject *list)
{
    return PyList_SetSlice(list, 0, PyList_GET_SIZE(list), NULL);
}

/* _abandon(): drops everything that is queued, and what is in flight, at the
 * end of the process; the number of events. */
static PyObject *
bus_abandon(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    onex_bus *bus = (onex_bus *)self;
    Py_ssize_t n = bus->queue.live + bus->in_flight_count;
    onex_delivery *current = bus->current;
    onex_handler_run *run = bus->run;
    bus->current = NULL;
    bus->run = NULL;
    bus->in_flight_count = 0;
    bus->token = 0;
    ++bus->last_token;
    bus->draining_thread = 0;
    onex_queue queue = bus->queue;
    onex_queue_init(&bus->queue);
    bus->queue.head = onex_queue_tail(&queue);
    int result = onex_bus_count_drop(bus, ONEX_DROP_EXIT, n);
    Py_XDECREF((PyObject *)run);
    Py_XDECREF((PyObject *)current);
    onex_queue_clear(&queue);
    onex_ring_free(&queue.ring);
    onex_bus_let_go_in_flight(bus);
    if (empty(bus->batch) < 0 || empty(bus->batch_ends) < 0) {
        result = -1;
    }
    return result < 0 ? NULL : PyLong_FromSsize_t(n);
}

/* _after_fork(): what the child keeps is the subscriptions and the history.
 * Nobody else runs, and what the parent's threads had in hand is not ours. */
static PyObject *
bus_after_fork(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    onex_bus *bus = (onex_bus *)self;
    /* The parent's events may be in the hands of threads that are gone:
     * their references are given up, not released. */
    onex_queue_init(&bus->queue);
    bus->current = NULL;
    bus->run = NULL;
    bus->token = 0;
    bus->draining_thread = 0;
    bus->in_flight_count = 0;
    bus->emitted = 0;
    bus->handled = 0;
    bus->handler_errors = 0;
    bus->flush_below = 0;
    bus->space_for = 0;
    bus->background = false;
    Py_CLEAR(bus->home);
    onex_match_cache_clear(&bus->matches);
    memset(bus->dropped, 0, sizeof bus->dropped);
    PyDict_Clear(bus->type_counts);
    onex_bus_let_go_in_flight(bus);
    PyObject *lists[] = {bus->batch, bus->batch_ends, bus->watchers};
    for (size_t i = 0; i < Py_ARRAY_LENGTH(lists); i++) {
        (void)empty(lists[i]);
    }
    onex_history_clear(bus->history);
    onex_bus_interest_changed(bus);
    Py_RETURN_NONE;
}

/* --- methods: subscriptions ------------------------------------------------------------- */

static int
check_subscription(onex_bus *bus, PyObject *object)
{
    if (!Py_IS_TYPE(object, (PyTypeObject *)bus->st->subscription_type)) {
        PyErr_Format(PyExc_TypeError,
                     "subscription must be a Subscription, not %R", object);
        return -1;
    }
    return 0;
}

static PyObject *
bus_add(PyObject *self, PyObject *sub)
{
    onex_bus *bus = (onex_bus *)self;
    if (check_subscription(bus, sub) < 0 ||
        onex_bus_add(bus, (onex_subscription *)sub) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
bus_remove(PyObject *self, PyObject *sub)
{
    onex_bus *bus = (onex_bus *)self;
    if (check_subscription(bus, sub) < 0 ||
        onex_bus_remove(bus, (onex_subscription *)sub) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
bus_interest_changed(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    onex_bus_interest_grew((onex_bus *)self, NULL);
    Py_RETURN_NONE;
}

/* _interest(cls, type_name, exact, recorded) -> 0, 1, 2 (never, maybe, yes);
 * recorded: the history counts as a listener where it is one */
static PyObject *
bus_interest(PyObject *self, PyObject *args)
{
    PyObject *cls, *name;
    int exact, recorded;
    if (!PyArg_ParseTuple(args, "OOpp:_interest", &cls, &name, &exact,
                          &recorded)) {
        return NULL;
    }
    if (cls != Py_None && !PyType_Check(cls)) {
        return PyErr_Format(PyExc_TypeError,
                            "_interest: expected a class or None, not %R", cls);
    }
    int interest =
        onex_bus_interest_of((onex_bus *)self, cls == Py_None ? NULL : cls,
                             name == Py_None ? NULL : name, exact, recorded);
    return interest < 0 ? NULL : PyLong_FromLong(interest);
}

/* _wanted(filter_subscription, event): does a listener's filter take it? */
static PyObject *
bus_wanted(PyObject *self, PyObject *args)
{
    onex_bus *bus = (onex_bus *)self;
    PyObject *object, *event;
    if (!PyArg_ParseTuple(args, "O!O:_wanted", bus->st->subscription_type,
                          &object, &event)) {
        return NULL;
    }
    onex_subscription *sub = (onex_subscription *)object;
    PyObject *name = onex_event_type_name(bus->st, event);
    if (name == NULL) {
        return NULL;
    }
    int wanted = onex_subscription_matches(sub, Py_TYPE(event), name);
    Py_DECREF(name);
    if (wanted > 0 && sub->predicate != NULL) {
        PyObject *answer = PyObject_CallOneArg(sub->predicate, event);
        wanted = answer == NULL ? -1 : PyObject_IsTrue(answer);
        Py_XDECREF(answer);
    }
    return wanted < 0 ? NULL : PyBool_FromLong(wanted);
}

/* --- methods: history and figures ------------------------------------------------------- */

static PyObject *
bus_history_list(PyObject *self, PyObject *limit)
{
    Py_ssize_t n = PyLong_AsSsize_t(limit);
    if (n == -1 && PyErr_Occurred()) {
        return NULL;
    }
    return onex_history_list(((onex_bus *)self)->history, n);
}

static int
id_bytes(PyObject *object, uint8_t id[16])
{
    char *bytes;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(object, &bytes, &size) < 0) {
        return -1;
    }
    if (size != 16) {
        PyErr_SetString(PyExc_ValueError, "an id has 16 bytes");
        return -1;
    }
    memcpy(id, bytes, 16);
    return 0;
}

/* _history_find(id_bytes): the event itself, or None */
static PyObject *
bus_history_find(PyObject *self, PyObject *object)
{
    onex_bus *bus = (onex_bus *)self;
    uint8_t id[16];
    if (id_bytes(object, id) < 0) {
        return NULL;
    }
    PyObject *event = onex_history_find(bus->st, bus->history, id);
    if (event == NULL && !PyErr_Occurred()) {
        Py_RETURN_NONE;
    }
    return event;
}

/* _history_children(id_bytes): the events themselves, oldest first */
static PyObject *
bus_history_children(PyObject *self, PyObject *object)
{
    onex_bus *bus = (onex_bus *)self;
    uint8_t id[16];
    if (id_bytes(object, id) < 0) {
        return NULL;
    }
    return onex_history_children(bus->st, bus->history, id);
}

static PyObject *
bus_event_counts(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    onex_bus *bus = (onex_bus *)self;
    if (onex_bus_fold_counts(bus) < 0) {
        return NULL;
    }
    return PyDict_Copy(bus->type_counts);
}

/* _accounting(): taken at one moment. */
static PyObject *
bus_accounting(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    onex_bus *bus = (onex_bus *)self;
    PyObject *dropped = onex_bus_drops(bus);
    if (dropped == NULL) {
        return NULL;
    }
    return Py_BuildValue(
        "{s:K,s:K,s:N,s:n,s:n}", "emitted", (unsigned long long)bus->emitted,
        "handled", (unsigned long long)bus->handled, "dropped", dropped,
        "queue_size", bus->queue.live, "in_flight", bus->in_flight_count);
}

/* _emit_queued(event): emit without waiting for room. */
static PyObject *
bus_emit_queued(PyObject *self, PyObject *event)
{
    onex_bus *bus = (onex_bus *)self;
    if (onex_bus_emit_decorated(bus->st, self, event, false, NULL) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
bus_get_generation(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLong(((onex_bus *)self)->listening.generation);
}

/* _is_settled(number): whether all events below it are; takes no memory. */
static PyObject *
bus_is_settled(PyObject *self, PyObject *number)
{
    uint64_t target = PyLong_AsUnsignedLongLong(number);
    if (target == (uint64_t)-1 && PyErr_Occurred()) {
        return NULL;
    }
    return PyBool_FromLong(onex_bus_settled_for_all((onex_bus *)self) >=
                           target);
}

static PyObject *
bus_get_tail(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLongLong(
        onex_queue_tail(&((onex_bus *)self)->queue));
}

static PyObject *
bus_get_head(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLongLong(((onex_bus *)self)->queue.head);
}

static PyObject *
bus_get_queue_size(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromSsize_t(((onex_bus *)self)->queue.live);
}

static PyObject *
bus_get_history_size(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromSsize_t(onex_history_size(((onex_bus *)self)->history));
}

static PyObject *
bus_get_drops(PyObject *self, void *Py_UNUSED(closure))
{
    return onex_bus_drops((onex_bus *)self);
}

static PyObject *
bus_get_current(PyObject *self, void *Py_UNUSED(closure))
{
    PyObject *current = (PyObject *)((onex_bus *)self)->current;
    return Py_NewRef(current == NULL ? Py_None : current);
}

static PyObject *
bus_get_next_subscription(PyObject *self, void *Py_UNUSED(closure))
{
    PyObject *sub = (PyObject *)next_subscription((onex_bus *)self);
    return Py_NewRef(sub == NULL ? Py_None : sub);
}

static PyObject *
bus_get_home(PyObject *self, void *Py_UNUSED(closure))
{
    PyObject *home = ((onex_bus *)self)->home;
    return Py_NewRef(home == NULL ? Py_None : home);
}

static int
bus_set_home(PyObject *self, PyObject *loop, void *Py_UNUSED(closure))
{
    Py_XSETREF(((onex_bus *)self)->home,
               loop == NULL || loop == Py_None ? NULL : Py_NewRef(loop));
    return 0;
}

/* --- tables -------------------------------------------------------------- */

PyMethodDef onex_bus_methods[] = {
    {"emit", (PyCFunction)(void (*)(void))bus_emit,
     METH_FASTCALL | METH_KEYWORDS, emit_doc},
    {"emit_sync", (PyCFunction)(void (*)(void))bus_emit_sync,
     METH_FASTCALL | METH_KEYWORDS, emit_sync_doc},
    {"_configure", bus_configure, METH_VARARGS, NULL},
    {"_emit_tracked", bus_emit_tracked, METH_VARARGS, NULL},
    {"_advance", bus_advance, METH_VARARGS, NULL},
    {"_take", bus_take, METH_NOARGS, NULL},
    {"_renew", bus_renew, METH_O, NULL},
    {"_release", bus_release, METH_O, NULL},
    {"_begin_next", bus_begin_next, METH_NOARGS, NULL},
    {"_launch_next", bus_launch_next, METH_NOARGS, NULL},
    {"_detach", bus_detach_run, METH_O, NULL},
    {"_yield_turn", bus_yield_turn, METH_NOARGS, NULL},
    {"_in_handler", bus_in_handler, METH_NOARGS, in_handler_doc},
    {"_drop", bus_drop, METH_O, NULL},
    {"_abandon", bus_abandon, METH_NOARGS, NULL},
    {"_after_fork", bus_after_fork, METH_NOARGS, NULL},
    {"_add", bus_add, METH_O, NULL},
    {"_remove", bus_remove, METH_O, NULL},
    {"_interest_changed", bus_interest_changed, METH_NOARGS, NULL},
    {"_interest", bus_interest, METH_VARARGS, NULL},
    {"_wanted", bus_wanted, METH_VARARGS, NULL},
    {"_history_list", bus_history_list, METH_O, NULL},
    {"_history_find", bus_history_find, METH_O, NULL},
    {"_history_children", bus_history_children, METH_O, NULL},
    {"_event_counts", bus_event_counts, METH_NOARGS, NULL},
    {"_is_settled", bus_is_settled, METH_O, NULL},
    {"_accounting", bus_accounting, METH_NOARGS, NULL},
    {"_emit_queued", bus_emit_queued, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

PyGetSetDef onex_bus_getset[] = {
    {"_tail", bus_get_tail, NULL, NULL, NULL},
    {"_head", bus_get_head, NULL, NULL, NULL},
    {"_queue_size", bus_get_queue_size, NULL, NULL, NULL},
    {"_history_size", bus_get_history_size, NULL, NULL, NULL},
    {"_generation", bus_get_generation, NULL, NULL, NULL},
    {"_drops", bus_get_drops, NULL, NULL, NULL},
    {"_current", bus_get_current, NULL, NULL, NULL},
    {"_next_subscription", bus_get_next_subscription, NULL, NULL, NULL},
    {"_home", bus_get_home, bus_set_home, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
