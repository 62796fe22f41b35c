/* A decorated function: what its events are made of, and whether anybody wants
 * them.  Shared by the mechanisms that notice its calls (SiteFunction, in-place
 * hook). */
#ifndef ONEX_PY_SITE_H
#define ONEX_PY_SITE_H

#include "py/bus.h"
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
    onex_listening *listening; /* the first word that a call loads */
    PyObject *target;          /* the function */
    PyObject *owner;           /* borrowed: holds this struct */
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

/* Fills a zeroed site that is part of `owner` from the arguments of
 * SiteFunction (_core.pyi).  0, or -1 with an exception; onex_site_clear is
 * due in either case. */
int onex_site_init(onex_site *site, onex_state *st, PyObject *owner,
                   PyObject *args, PyObject *kwargs);

/* For the owner's GC slots. */
int onex_site_traverse(onex_site *site, visitproc visit, void *arg);
void onex_site_clear(onex_site *site);

#endif
