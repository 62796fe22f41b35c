/* What happens around one observed call: factories, linking, the context,
 * timing, emission.  One implementation for plain functions, coroutines,
 * generators and asynchronous generators, whatever mechanism (SiteFunction,
 * in-place hook) noticed the call. */
#ifndef ONEX_PY_CALL_H
#define ONEX_PY_CALL_H

#include "py/bus.h"
#include "py/context.h"
#include "py/module.h"

typedef enum {
    ONEX_CREATING,
    ONEX_CREATED,
    ONEX_FAILED,
    ONEX_CANCELLED,
    ONEX_FACTORIES,
} onex_moment;

/* What a call of the function gives. */
typedef enum {
    ONEX_FUNCTION,
    ONEX_COROUTINE,
    ONEX_GENERATOR,
    ONEX_ITERABLE_COROUTINE, /* a generator that @types.coroutine marked */
    ONEX_ASYNC_GENERATOR,
} onex_kind;

typedef struct {
    PyObject *factory;     /* NULL: none */
    PyObject *event_class; /* NULL: unknown; else exact or an upper bound */
    PyObject *type_name;   /* NULL: unknown; only with exact */
    bool exact;
    signed char interest; /* onex_interest, for the site's generation */
} onex_factory;

/* A decorated function.  Part of the object that stands for it, which owns
 * every reference and is `owner`. */
typedef struct onex_site {
    const onex_listening *listening; /* the first word that a call loads */
    PyObject *target;                /* the function */
    PyObject *owner;                 /* borrowed: holds this struct */
    onex_state *state;
    uint32_t generation; /* of listening, when interest was computed */
    bool computed;       /* interest was computed at all */
    bool wanted;         /* some factory's interest is not NEVER */
    bool end_wanted;     /* some end factory's */
    bool include_timing;
    bool include_args;
    bool strict;
    unsigned char kind;    /* onex_kind */
    double sample_rate;    /* < 0: `sample` decides, or everything is kept */
    PyObject *bus;         /* NULL: the default bus */
    PyObject *enabled;     /* NULL, or asked for each call */
    PyObject *should_emit; /* NULL, or the sampler's method */
    PyObject *sample_type; /* what should_emit is asked about */
    onex_factory factories[ONEX_FACTORIES];
} onex_site;

/* One observed call.  args[-1] is ours to use (ONEX_SCRATCH) or not. */
typedef struct {
    onex_site *site;       /* whoever has the call holds site->owner */
    PyObject *const *args; /* borrowed: as passed, keyword values included */
    size_t nargsf;         /* as passed */
    PyObject *kwnames;     /* borrowed, or NULL */
    onex_frame *outer;     /* what was current at the start, or NULL */
    onex_frame *entered;   /* what was current at this start or resumption */
    onex_frame *frame;     /* ours, or NULL when nothing was pushed */
    PyObject *token;       /* of the push, until the first pause; or NULL */
    onex_frame *suspended; /* what was current in the body when it paused */
    int64_t started_ns;    /* monotonic, or -1: not read */
    bool observed;         /* end events may follow */
    bool created;          /* frame holds this call's creating event */
    bool waits;            /* whoever drives the call awaits `wait` */
    PyObject *wait;        /* room in a full queue, or NULL: to be awaited
                            * before the body starts, or the outcome leaves */
} onex_call;

/* Makes site->interest current.  True when some factory's event may have a
 * listener; false also on an error, which is reported (it never concerns the
 * program).  Runs no user code. */
bool onex_site_wanted_refresh(onex_site *site);

static inline bool
onex_site_wanted(onex_site *site)
{
    return site->computed && site->generation == site->listening->generation
               ? site->wanted
               : onex_site_wanted_refresh(site);
}

/* Starts a call whose site is wanted: asks `enabled` and the sampler, makes
 * and emits the creating event, pushes it.  0, or -1 with an exception that
 * the program must see (strict, KeyboardInterrupt, SystemExit): the call is
 * then over.  Afterwards the function runs, and onex_call_end or
 * onex_call_suspend follows.  Runs user code. */
int onex_call_begin(onex_call *call);

/* Ends a call: restores the context, makes and emits the end event.  `result`
 * is stolen; NULL means that the function's exception is set.  Returns the
 * result, or NULL with the function's exception (or one that the program must
 * see).  Runs user code. */
PyObject *onex_call_end(onex_call *call, PyObject *result);

/* The body starts now: what the call waited for before does not count. */
void onex_call_restart_clock(onex_call *call);

/* A body pauses (await that suspends, yield) and goes on.  Between them
 * nothing of it is in the context of whoever drives it. */
void onex_call_suspend(onex_call *call);
void onex_call_resume(onex_call *call);

/* The whole of a call that just runs: site->kind is ONEX_FUNCTION. */
PyObject *
onex_call_function(onex_site *site, vectorcallfunc run, PyObject *callable,
                   PyObject *const *args, size_t nargsf, PyObject *kwnames);

/* For the owner's GC slots. */
int onex_site_traverse(onex_site *site, visitproc visit, void *arg);
void onex_site_clear(onex_site *site);
int onex_call_traverse(onex_call *call, visitproc visit, void *arg);
void onex_call_clear(onex_call *call);

#endif
