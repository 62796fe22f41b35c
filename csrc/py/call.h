/* What happens around one observed call: factories, linking, the context,
 * timing, emission.  One implementation for plain functions, coroutines,
 * generators and asynchronous generators, whatever mechanism (SiteFunction,
 * in-place hook) noticed the call. */
#ifndef ONEX_PY_CALL_H
#define ONEX_PY_CALL_H

#include "py/context.h"
#include "py/site.h"

/* One observed call.  args[-1] is ours to use (ONEX_SCRATCH) or not. */
typedef struct {
    onex_site *site;       /* whoever has the call holds site->owner */
    PyObject *const *args; /* borrowed: as passed, keyword values included */
    size_t nargsf;         /* as passed */
    PyObject *kwnames;     /* borrowed, or NULL */
    onex_frame *outer;     /* what was current at the start, or NULL */
    onex_frame *entered;   /* what was current at this start or resumption */
    onex_frame *frame;     /* ours, or NULL when nothing was pushed */
    onex_frame *suspended; /* what was current in the body when it paused */
    int64_t started_ns;    /* monotonic, or -1: not read */
    bool observed;         /* end events may follow */
    bool created;          /* frame holds this call's creating event */
    bool waits;            /* whoever drives the call awaits `wait` */
    PyObject *wait;        /* room in a full queue, or NULL: to be awaited
                            * before the body starts, or the outcome leaves */
} onex_call;

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
int onex_call_traverse(onex_call *call, visitproc visit, void *arg);
void onex_call_clear(onex_call *call);

#endif
