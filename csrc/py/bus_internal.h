/* The bus's own structures, shared by the files that implement it. */
#ifndef ONEX_PY_BUS_INTERNAL_H
#define ONEX_PY_BUS_INTERNAL_H

#include "py/bus.h"
#include "py/context.h"
#include "py/event_access.h"
#include "py/module.h"
#include "py/subscription.h"

#include "core/ring.h"

typedef struct onex_bus onex_bus;

/* --- queue.c: what waits for delivery ------------------------------------ */

/* One queued event.  A dropped entry keeps its place with event == NULL. */
typedef struct {
    PyObject *event;
    PyObject *context; /* copy of the emitter's context, or NULL */
    PyObject *receipt; /* told of results and of the end, or NULL */
} onex_entry;

/* A ring whose entries are known by sequence numbers: entry `seq` lies
 * seq - head behind the front, so a place in the queue is known for ever by
 * one integer.  Push, pop and access by number are O(1). */
typedef struct {
    onex_ring ring;
    uint64_t head;   /* the oldest entry's number; the first one is 1 */
    Py_ssize_t live; /* entries that are not dropped */
} onex_queue;

/* The number that the next entry gets. */
static inline uint64_t
onex_queue_tail(const onex_queue *queue)
{
    return queue->head + onex_ring_count(&queue->ring);
}

void onex_queue_init(onex_queue *queue);
int onex_queue_push(onex_queue *queue, onex_entry entry); /* 0 / -1 */
bool onex_queue_pop(onex_queue *queue, onex_entry *entry);
onex_entry onex_queue_drop(onex_queue *queue, uint64_t seq);
void onex_queue_clear(onex_queue *queue);
int onex_queue_traverse(onex_queue *queue, visitproc visit, void *arg);
void onex_entry_clear(onex_entry *entry);

/* --- history.c: what was processed --------------------------------------- */

/* The last `capacity` events, and over them an index by id and one by
 * parent.  The indices are brought up to date by the first question after a
 * change, so that an event nobody asks about costs one slot. */
typedef struct onex_history onex_history;

onex_history *onex_history_new(Py_ssize_t capacity); /* NULL: MemoryError */
void onex_history_free(onex_history *history);
int onex_history_traverse(onex_state *st, onex_history *history,
                          visitproc visit, void *arg);
void onex_history_clear(onex_history *history);
/* Takes a new reference; the displaced event is returned, owned, to be
 * released when the bus is consistent (NULL when there is none or the
 * capacity is 0).  -1 with MemoryError. */
int onex_history_append(onex_state *st, onex_history *history, PyObject *event,
                        PyObject **displaced);
Py_ssize_t onex_history_size(const onex_history *history);
/* New list of the newest `limit` events (< 0: all), oldest first. */
PyObject *onex_history_list(onex_history *history, Py_ssize_t limit);
/* New reference, or NULL (without an exception: unknown). */
PyObject *
onex_history_find(onex_state *st, onex_history *history, const uint8_t id[16]);
/* New list of the events whose parent_id is `id`, oldest first. */
PyObject *onex_history_children(onex_state *st, onex_history *history,
                                const uint8_t id[16]);

/* --- matching.c: who wants what ------------------------------------------ */

/* What matching an event of one class and type string gave, kept until the
 * subscriptions change. */
typedef struct {
    PyTypeObject *cls; /* strong; NULL: free slot */
    PyObject *name;    /* strong */
    PyObject *subs;    /* tuple of subscriptions by priority, or NULL: none */
    uint64_t count;    /* events of this kind since the entry was made */
} onex_match;

typedef struct {
    onex_match *slots;
    size_t mask;
    size_t used;
} onex_match_cache;

/* The cached or new match; borrowed from the cache, valid until Python code
 * runs.  NULL with an exception. */
onex_match *onex_bus_match(onex_bus *bus, PyTypeObject *cls, PyObject *name);
/* Adds the cached counts to bus->type_counts and empties the cache. 0 / -1 */
int onex_bus_fold_counts(onex_bus *bus);
int onex_bus_add(onex_bus *bus, onex_subscription *sub);
int onex_bus_remove(onex_bus *bus, onex_subscription *sub);
/* One subscription's interest in an event of exactly this class, or of some
 * subclass of it; cls NULL: unknown.  -1 with an exception. */
int onex_subscription_interest(onex_subscription *sub, PyObject *cls,
                               PyObject *name, bool exact);
void onex_bus_expire(onex_bus *bus, onex_subscription *sub);
/* Recomputes bus->listening; called when somebody has ceased to listen. */
void onex_bus_interest_changed(onex_bus *bus);
/* The same when somebody may have begun to: `sub`, or NULL for whoever. */
void onex_bus_interest_grew(onex_bus *bus, onex_subscription *sub);
void onex_match_cache_clear(onex_match_cache *cache);
int
onex_match_cache_traverse(onex_match_cache *cache, visitproc visit, void *arg);
/* Interest of one class; see bus.h.  recorded: whether record_all counts. */
int onex_bus_interest_of(onex_bus *bus, PyObject *cls, PyObject *name,
                         bool exact, bool recorded);

/* --- delivery.c: one event on its way to its handlers --------------------- */

/* An event whose handlers are being called.  It lives in bus->current while
 * the drain works on it; when a handler yields its turn it moves to
 * bus->in_flight as well, until all its handlers are done. */
typedef struct onex_delivery {
    PyObject_HEAD
    onex_bus *bus; /* strong */
    PyObject *event;
    PyObject *context;
    PyObject *receipt;
    PyObject *subs;     /* tuple */
    Py_ssize_t next;    /* index of the handler whose turn it is */
    Py_ssize_t checked; /* index of the handler whose predicate said yes, +1 */
    Py_ssize_t pending; /* handlers running out of the drain's way */
    uint64_t seq;
    struct onex_delivery *before, *behind; /* in bus->in_flight */
    bool detached;                         /* linked there, as a reference */
    bool done;
} onex_delivery;

/* Where a handler runs (handler_context.c): all NULL, or all set. */
typedef struct {
    PyObject *context; /* contextvars.Context, strong */
    onex_frame *frame; /* strong */
} onex_handler_place;

/* One call of an async handler that did not finish at once: an awaitable
 * that steps it, in its own context. */
typedef struct {
    PyObject_HEAD
    onex_delivery *delivery;
    onex_subscription *sub;
    onex_frame *frame;
    PyObject *context;  /* contextvars.Context the handler runs in */
    PyObject *iterator; /* what is stepped */
    PyObject *yielded;  /* what it yielded and nobody has seen yet, or NULL */
    int64_t started_ns;
    bool finished;
    bool timed_out; /* a CancelledError is the timeout's */
} onex_handler_run;

/* Who is draining; decides what it can do by itself. */
typedef enum {
    ONEX_ON_CALLBACK = 0, /* a loop's callback: no task to await in */
    ONEX_ON_LOOP = 1,     /* a task of a program's loop: no sync handlers */
    ONEX_ON_OWN_LOOP = 2, /* a task of the bus's own loop: everything */
    ONEX_ON_THREAD = 3,   /* no loop: no async handlers */
} onex_executor;

/* Why a drain stopped. */
typedef enum {
    ONEX_STEP_ERROR = -1,  /* exception set */
    ONEX_STEP_DONE = 0,    /* queue empty, token released; or `until` reached */
    ONEX_STEP_LOST = 1,    /* the token is somebody else's now */
    ONEX_STEP_AWAIT = 2,   /* await bus->run, then go on */
    ONEX_STEP_THREAD = 3,  /* next is a sync handler: a thread must call it */
    ONEX_STEP_LOOP = 4,    /* next is an async handler: its loop must run it */
    ONEX_STEP_SPECIAL = 5, /* the next handler is to be orchestrated */
    ONEX_STEP_PAUSE = 6,   /* the budget is spent: let others run */
} onex_step;

onex_step onex_bus_advance(onex_bus *bus, uint64_t token, onex_executor on,
                           PyObject *loop, uint64_t until, Py_ssize_t budget);
/* The bookkeeping of a handler that ended with `result`, or with the
 * exception that is set (result NULL; it is taken).  0, or -1 with
 * KeyboardInterrupt or SystemExit, which go on. */
int onex_handler_over(onex_delivery *delivery, onex_subscription *sub,
                      onex_frame *frame, int64_t started_ns, PyObject *result,
                      bool timed_out);
/* An event that nobody wants, emitted while nothing is queued, is recorded and
 * counted, and that is its delivery: 1.  0: it has to go through the queue;
 * -1 with an exception. */
int onex_bus_record_unheard(onex_bus *bus, PyObject *event);
/* Puts the delivery among those in flight, unless it is there. */
void onex_delivery_detach(onex_delivery *delivery);
/* Forgets all that are there. */
void onex_bus_let_go_in_flight(onex_bus *bus);
/* Ends the delivery if nothing of it is left to do. 0 / -1 */
int onex_delivery_settle(onex_delivery *delivery);
PyObject *onex_bus_yield_turn(onex_bus *bus);
PyObject *onex_awaitable_iterator(PyObject *awaitable);

static inline bool
onex_is_awaitable(PyObject *object)
{
    return object != Py_None && Py_TYPE(object)->tp_as_async != NULL &&
           Py_TYPE(object)->tp_as_async->am_await != NULL;
}

/* --- handler_run.c --------------------------------------------------------- */

/* frame, context, iterator and yielded may be NULL: the handler is then
 * called at the first step. */
onex_handler_run *
onex_handler_run_new(onex_delivery *delivery, onex_subscription *sub,
                     onex_frame *frame, PyObject *context, PyObject *iterator,
                     PyObject *yielded, int64_t started_ns);
/* Takes the call out of the drain's way: the drain goes on with the next
 * handler, the delivery ends when this call has ended too. */
void onex_handler_run_detach(onex_handler_run *run);

/* --- bus.c ----------------------------------------------------------------- */

/* Why an event was not delivered. */
typedef enum {
    ONEX_DROP_QUEUE_FULL,
    ONEX_DROP_CLOSED,
    ONEX_DROP_EXIT,
    ONEX_DROP_REASONS,
} onex_drop_reason;

struct onex_bus {
    PyObject_HEAD
    onex_state *st;
    onex_listening listening;
    /* Everything below is guarded by the GIL; no Python code runs while an
     * invariant is broken. */
    onex_queue queue;
    Py_ssize_t max_queue_size;
    int overflow; /* onex_overflow */
    bool propagate_context;
    bool record_all; /* history is a listener: lazy creation is off */
    bool background; /* start_background: emit_sync queues and returns */
    bool closed;
    bool exiting; /* the interpreter finalises: no waiting, no new threads */
    /* The right to deliver.  0: free.  Each grant has a new number, so that
     * a drain that lost it finds out by one compare. */
    uint64_t token;
    uint64_t last_token;
    PyObject *home;                /* the home loop, or NULL */
    unsigned long draining_thread; /* ident of the thread inside advance */
    onex_delivery *current;
    onex_handler_run *run;         /* with STEP_AWAIT */
    onex_handler_place spare;      /* left by a handler, for the next one */
    onex_delivery *spare_delivery; /* likewise */
    onex_delivery *in_flight;      /* the detached ones, linked; strong */
    Py_ssize_t in_flight_count;    /* taken from the queue, not yet handled */
    uint64_t emitted;
    uint64_t handled;
    uint64_t handler_errors;
    uint64_t dropped[ONEX_DROP_REASONS];
    PyObject *subs;    /* list by priority, then order */
    PyObject *filters; /* list of subscriptions that stand for listeners */
    uint64_t next_order;
    Py_ssize_t dead; /* expired weak subscriptions still in subs */
    onex_match_cache matches;
    PyObject *interest_memo; /* dict: (class, name, exact) -> interest */
    PyObject *type_counts;   /* dict: type string -> events, less the cached */
    onex_history *history;
    PyObject *listeners;  /* list of attached listeners */
    PyObject *batch;      /* list of events they have not seen yet */
    PyObject *batch_ends; /* list of (event, receipt): ends to announce */
    uint64_t batch_seq;   /* lowest number in the batch, while it has any */
    PyObject
        *watchers; /* list of objects with emitted(event), handled(event) */
    uint64_t flush_below; /* somebody waits for all below this; 0: nobody */
    uint64_t space_for;   /* lowest entry whose emitter waits for room, +1 */
    PyObject *weakrefs;
};

typedef enum {
    ONEX_OVERFLOW_BLOCK,
    ONEX_OVERFLOW_DROP_NEWEST,
    ONEX_OVERFLOW_DROP_OLDEST,
    ONEX_OVERFLOW_RAISE,
} onex_overflow;

/* The number below which every event is handled or dropped. */
uint64_t onex_bus_settled(onex_bus *bus);
/* The same, with what the listeners have not seen yet. */
uint64_t onex_bus_settled_for_all(onex_bus *bus);
/* bus_methods.c */
extern PyMethodDef onex_bus_methods[];
extern PyGetSetDef onex_bus_getset[];
/* Counts n drops and has them told.  0, or -1 with KeyboardInterrupt or
 * SystemExit. */
int onex_bus_count_drop(onex_bus *bus, onex_drop_reason reason, Py_ssize_t n);
/* New dict: reason -> count, of those there were; NULL with an exception. */
PyObject *onex_bus_drops(onex_bus *bus);
/* Announces that an event's delivery is over: receipt, watchers, flush.  Each
 * of them is told, whatever became of the others.  0, or -1 with
 * KeyboardInterrupt or SystemExit. */
int onex_bus_announce(onex_bus *bus, PyObject *event, PyObject *receipt);
/* Logs and clears the exception that is set: method is a Python method of
 * the bus taking (what, exception).  -1 with KeyboardInterrupt, SystemExit. */
int onex_bus_log_error(onex_bus *bus, PyObject *where);
/* Gives the token (already renewed) to whoever can go on; where nothing is
 * left to do it is free.  0, or -1 with an exception: then it is free too, and
 * the next emission or flush gives it to somebody. */
int onex_bus_dispatch(onex_bus *bus);
static inline bool
onex_bus_work_left(onex_bus *bus)
{
    return bus->current != NULL || bus->queue.live > 0;
}
/* The running asyncio loop: new reference, NULL without an exception: none. */
PyObject *onex_running_loop(onex_state *st);

int onex_subscription_setup(PyObject *module, onex_state *st);
int onex_delivery_setup(PyObject *module, onex_state *st);
int onex_handler_run_setup(PyObject *module, onex_state *st);
int onex_emitted_setup(PyObject *module, onex_state *st);

#endif
