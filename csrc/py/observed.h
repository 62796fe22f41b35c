/* What a call of a coroutine, generator or asynchronous generator function
 * returns while somebody listens: an object that passes for the inner one and
 * notices its start, its pauses and its end. */
#ifndef ONEX_PY_OBSERVED_H
#define ONEX_PY_OBSERVED_H

#include "py/call.h"
#include "py/members.h"

typedef enum {
    ONEX_NEW,       /* not started: nothing was made yet */
    ONEX_SUSPENDED, /* started, between two steps */
    ONEX_RUNNING,   /* inside a step */
    ONEX_LINGERING, /* ended, but its last event waits for room in the queue */
    ONEX_OVER,      /* the end event was made, or nothing is observed */
} onex_progress;

/* slots[0] is scratch, for the result before the arguments of an end factory;
 * then come the call's arguments, keyword values last. */
typedef struct onex_observed {
    PyVarObject ob_base;
    PyObject *inner;   /* the real coroutine or generator */
    PyObject *stepped; /* what is driven: inner, or its __await__ iterator */
    PyObject *owner;   /* holds call.site */
    PyObject *kwnames; /* or NULL */
    PyObject *waiting; /* iterator of what is awaited before the body starts,
                        * or while lingering; or NULL */
    PyObject *outcome; /* while lingering: the result, or the exception */
    PyObject *weakrefs;
    PyObject *finalizer;    /* asynchronous generators: the loop's, or NULL */
    PyObject *step;         /* asynchronous generators: the step that is under
                          * way; borrowed, it clears itself */
    unsigned char progress; /* onex_progress */
    unsigned char kind;     /* onex_kind; call.site goes with owner */
    bool raised;            /* outcome is an exception */
    bool hooked;            /* asynchronous generators: hooks were asked */
    onex_call call;
    PyObject *slots[1];
} onex_observed;

/* Wraps `inner` (stolen), which a call of this site's function with these
 * arguments gave.  New reference or NULL. */
PyObject *
onex_observed_new(onex_site *site, PyObject *inner, PyObject *const *args,
                  size_t nargsf, PyObject *kwnames);

/* Before a step of the body, when progress is NEW or SUSPENDED: begins or
 * resumes the call.  0 with progress RUNNING, or OVER when the call turns out
 * not to be observed; -1 with an exception, and the body must not start.
 * After the step, if progress still is RUNNING: onex_observed_pause, or
 * onex_observed_over with the stolen result or NULL and the exception, which
 * gives the result or NULL and the exception. */
int onex_observed_enter(onex_observed *self);
void onex_observed_pause(onex_observed *self);
PyObject *onex_observed_over(onex_observed *self, PyObject *result);

/* Drives the body one step, when progress is RUNNING or OVER: sends `value`,
 * or throws the arguments `thrown`, if not NULL, into what is awaited before
 * the body, else into `stepped`.  The result is as PyIter_Send leaves it. */
PySendResult onex_observed_drive(onex_observed *self, PyObject *stepped,
                                 PyObject *value, PyObject *const *thrown,
                                 Py_ssize_t nthrown, PyObject **result);

/* After onex_observed_over: hands its outcome on as a step's, at once or when
 * there is room for the end event.  `*result` is stolen. */
PySendResult onex_observed_leave(onex_observed *self, PyObject **result);

/* A step while lingering. */
PySendResult onex_observed_linger(onex_observed *self, PyObject *value,
                                  PyObject *const *thrown, Py_ssize_t nthrown,
                                  PyObject **result);

/* Waits no longer; drops the outcome. */
void onex_observed_stop_waiting(onex_observed *self);

/* Ends a call whose body was closed: as if GeneratorExit had left it.  0, or
 * -1 with an exception that the program must see. */
int onex_observed_closed(onex_observed *self);

/* Closes what was going to be the first step of a body that does not start
 * after all, so that it does not warn of never having been awaited; the raised
 * exception stays. */
void onex_observed_abandon(onex_observed *self, PyObject *unstarted);

/* Shared slots of the observed types. */
void onex_observed_dealloc(onex_observed *self);
int onex_observed_traverse(onex_observed *self, visitproc visit, void *arg);
int onex_observed_clear(onex_observed *self);
PyObject *onex_observed_getattro(PyObject *self, PyObject *name);
PyObject *onex_observed_repr(onex_observed *self);
extern PyMemberDef onex_observed_members[];
extern PyGetSetDef onex_observed_getset[];

/* StopIteration(value) as the raised exception, whatever value is: NULL. */
PyObject *onex_stop_iteration(PyObject *value);

/* The value of the raised StopIteration, which is cleared: a new reference,
 * or NULL with the exception that is raised when it is another one. */
PyObject *onex_stop_iteration_value(void);

#endif
