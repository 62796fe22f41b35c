/* The event bus as decorated functions see it. */
#ifndef ONEX_PY_BUS_H
#define ONEX_PY_BUS_H

#include "py/module.h"

typedef enum {
    ONEX_INTEREST_NEVER = 0, /* no listener can match */
    ONEX_INTEREST_MAYBE =
        1, /* type unknown or only bounded, pattern, predicate */
    ONEX_INTEREST_YES = 2, /* some listener matches for certain */
} onex_interest;

/* The block of one bus (valid as long as the bus), or with bus == NULL that
 * of the default bus, whichever it is: valid as long as the module. */
onex_listening *onex_bus_listening(onex_state *st, PyObject *bus);

/* Can an event of this factory have a listener?  event_class: an exact class
 * (exact) or an upper bound, or NULL when unknown; type_name: its type string
 * when known (exact only), or NULL.  bus NULL: the default bus.  Runs no
 * user code.  -1 with an exception. */
int onex_bus_interest(onex_state *st, PyObject *bus, PyObject *event_class,
                      PyObject *type_name, bool exact);

/* A class with several bases was made: what only its bases told about who may
 * listen is to be asked again. 0 / -1 */
int onex_bus_classes_changed(onex_state *st);

/* The bus that a site of the default bus emits on (made at need): a new
 * reference, or NULL with an exception. */
PyObject *onex_bus_default(onex_state *st);

/* Emits for a decorated function: `sync` through emit_sync's rules (delivered
 * before it returns where that needs neither another thread nor a program's
 * loop), else through the queue.  Never raises because of a full queue or a
 * handler; -1 only with KeyboardInterrupt, SystemExit or the like from a
 * handler.
 *
 * wait (async functions; NULL from sync ones): set to NULL, or, when the queue
 * is full and the policy is to wait, to a new awaitable that ends when there
 * is room (after one second at most): the caller awaits it, passing on what
 * it yields, before it goes on.  It raises only what is thrown into it. */
int onex_bus_emit_decorated(onex_state *st, PyObject *bus, PyObject *event,
                            bool sync, PyObject **wait);

/* Counts and logs ("onex_events" logger, ERROR, with traceback) the exception
 * that is set now, raised by a factory, predicate, sampler or the like of the
 * named function; clears it.  KeyboardInterrupt and SystemExit are not taken:
 * returns -1 and leaves them set.  0 otherwise. */
int onex_bus_report(onex_state *st, PyObject *bus, const char *what,
                    PyObject *where);

#endif
