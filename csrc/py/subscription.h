/* A subscription: one handler, what it wants to hear, and its figures. */
#ifndef ONEX_PY_SUBSCRIPTION_H
#define ONEX_PY_SUBSCRIPTION_H

#include "py/module.h"

typedef struct {
    PyObject_HEAD
    PyObject *handler;     /* callable, or with `weak` a weak reference to it */
    PyObject *event_types; /* tuple of classes, or NULL */
    PyObject *pattern;     /* re.Pattern, or NULL */
    PyObject *predicate;   /* callable, or NULL */
    PyObject *loop;        /* the loop that ran at subscribe, or NULL */
    PyObject *bus;
    PyObject *name;       /* "module.qualname" of the handler */
    PyObject *stats;      /* HandlerStats shared by name */
    PyObject *ordered_by; /* field name, or NULL */
    PyObject *lanes;      /* delivery state of concurrency / ordered_by */
    PyObject *weakrefs;
    double timeout;         /* seconds, < 0: none */
    Py_ssize_t concurrency; /* 0: in order, awaited */
    int priority;
    uint64_t order; /* ascending with each subscribe: FIFO within a priority */
    bool weak;
    bool is_async; /* a coroutine function: needs a loop */
    bool internal; /* ours: never blocks, runs on any executor, not counted */
    bool active;
} onex_subscription;

/* Figures of all handlers of one name; shared by its subscriptions and kept
 * when they go. */
typedef struct {
    PyObject_HEAD
    uint64_t count;
    int64_t total_ns;
    int64_t max_ns;
    int64_t min_ns;
} onex_handler_stats;

static inline void
onex_handler_stats_record(onex_handler_stats *stats, int64_t ns)
{
    if (stats->count == 0 || ns < stats->min_ns) {
        stats->min_ns = ns;
    }
    if (ns > stats->max_ns) {
        stats->max_ns = ns;
    }
    stats->total_ns += ns;
    stats->count++;
}

/* True when the drain can't simply call the handler and go on: concurrency,
 * lanes and timeouts are orchestrated (Drain.special). */
static inline bool
onex_subscription_special(const onex_subscription *sub)
{
    return sub->concurrency > 0 || sub->timeout >= 0;
}

/* The handler itself: new reference, or NULL without an exception when it was
 * held weakly and is gone. */
PyObject *onex_subscription_handler(onex_subscription *sub);

/* Does the subscription want events of this class and type string?  Its
 * predicate is not asked.  type_name may be NULL (unknown): a pattern then
 * matches.  1, 0, or -1 with an exception (from a pattern). */
int onex_subscription_matches(onex_subscription *sub, PyTypeObject *cls,
                              PyObject *type_name);

#endif
