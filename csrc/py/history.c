/* The history: the last events processed, and indices over them.
 *
 * The events lie in a ring and are known by their sequence number.  The
 * indices (id -> number; parent -> number of its newest child, and for each
 * event the number of its parent's child before it) are brought up to date by
 * the first question after a change: an event that nobody asks about costs
 * one slot of 8 bytes, a question costs the events since the last one.
 * Numbers of events that have left the ring are simply too low, so nothing is
 * removed from the maps; when they hold more dead ids than live ones they are
 * made anew.  Everything is bounded by the capacity.
 *
 * Most events hold nothing that the collector tracks, and are not tracked
 * themselves.  Their slots say so in the lowest bit: a collection passes over
 * a million of them without touching one. */
#include "py/allocator.h"
#include "py/bus_internal.h"
#include "py/event.h"

#include "core/idmap.h"

struct onex_history {
    onex_ring ring; /* slot */
    Py_ssize_t capacity;
    uint64_t tracked_seen; /* st->kept_and_tracked at the last traversal */
    uint64_t first;        /* the oldest event's number, from 1 */
    uint64_t indexed;      /* numbers below it are in the indices */
    onex_idmap by_id;
    onex_idmap newest_child;
    uint64_t *child_before; /* capacity entries, by number % capacity */
};

/* A strong reference; UNTRACKED is or'ed to it. */
typedef uintptr_t slot;
#define UNTRACKED ((slot)1)

static inline PyObject *
event_in(const slot *place)
{
    assert(place != NULL);
    return (PyObject *)(*place & ~UNTRACKED);
}

static inline PyObject *
event_at(const onex_history *history, uint64_t seq)
{
    if (seq < history->first) {
        return NULL;
    }
    slot *place =
        onex_ring_peek(&history->ring, (size_t)(seq - history->first));
    return place == NULL ? NULL : event_in(place);
}

static inline uint64_t
end(const onex_history *history)
{
    return history->first + onex_ring_count(&history->ring);
}

/* --- construction ------------------------------------------------------------ */

onex_history *
onex_history_new(Py_ssize_t capacity)
{
    onex_history *history = PyMem_Calloc(1, sizeof(onex_history));
    if (history == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    onex_ring_init(&history->ring, sizeof(slot), 0, &onex_python_allocator);
    onex_idmap_init(&history->by_id, &onex_python_allocator);
    onex_idmap_init(&history->newest_child, &onex_python_allocator);
    history->capacity = capacity;
    history->first = 1;
    history->indexed = 1;
    return history;
}

static void
forget_indices(onex_history *history)
{
    onex_idmap_free(&history->by_id);
    onex_idmap_free(&history->newest_child);
    PyMem_Free(history->child_before);
    history->child_before = NULL;
    history->indexed = history->first;
}

void
onex_history_clear(onex_history *history)
{
    slot *place;
    while ((place = onex_ring_pop(&history->ring)) != NULL) {
        PyObject *event = event_in(place);
        history->first++;
        Py_DECREF(event);
    }
    forget_indices(history);
}

void
onex_history_free(onex_history *history)
{
    if (history != NULL) {
        onex_history_clear(history);
        onex_ring_free(&history->ring);
        PyMem_Free(history);
    }
}

int
onex_history_traverse(onex_state *st, onex_history *history, visitproc visit,
                      void *arg)
{
    bool look_again = history->tracked_seen != st->kept_and_tracked;
    for (size_t i = 0; i < onex_ring_count(&history->ring); i++) {
        slot *place = onex_ring_peek(&history->ring, i);
        if (look_again && *place & UNTRACKED &&
            ((onex_event *)event_in(place))->marks & EVENT_TRACKED) {
            *place &= ~UNTRACKED;
        }
        if (!(*place & UNTRACKED) || st->ending) {
            Py_VISIT(event_in(place));
        }
    }
    history->tracked_seen = st->kept_and_tracked;
    return 0;
}

/* --- recording ---------------------------------------------------------------- */

int
onex_history_append(onex_state *st, onex_history *history, PyObject *event,
                    PyObject **displaced)
{
    *displaced = NULL;
    if (history->capacity == 0) {
        return 0;
    }
    if ((Py_ssize_t)onex_ring_count(&history->ring) >= history->capacity) {
        *displaced = event_in(onex_ring_pop(&history->ring));
        history->first++;
    }
    void *place;
    if (onex_ring_push_anyway(&history->ring, &place) != ONEX_OK) {
        PyErr_NoMemory();
        return -1;
    }
    *(slot *)place =
        (slot)Py_NewRef(event) | (event_keep(st, event) ? UNTRACKED : 0);
    return 0;
}

Py_ssize_t
onex_history_size(const onex_history *history)
{
    return (Py_ssize_t)onex_ring_count(&history->ring);
}

/* --- questions ---------------------------------------------------------------- */

PyObject *
onex_history_list(onex_history *history, Py_ssize_t limit)
{
    Py_ssize_t size = onex_history_size(history);
    Py_ssize_t n = limit < 0 || limit > size ? size : limit;
    PyObject *list = PyList_New(n);
    if (list == NULL) {
        return NULL;
    }
    /* The collector may have run and processed events. */
    size = onex_history_size(history);
    n = n > size ? size : n;
    for (Py_ssize_t i = 0; i < n; i++) {
        slot *place = onex_ring_peek(&history->ring, (size_t)(size - n + i));
        PyList_SET_ITEM(list, i, Py_NewRef(event_in(place)));
    }
    if (n < PyList_GET_SIZE(list) &&
        PyList_SetSlice(list, n, PyList_GET_SIZE(list), NULL) < 0) {
        Py_CLEAR(list);
    }
    return list;
}

static int
out_of_memory(void)
{
    PyErr_NoMemory();
    return -1;
}

/* Enters one event, unless it has left the ring meanwhile. 0 / -1 */
static int
index_event(onex_state *st, onex_history *history, uint64_t seq)
{
    PyObject *event = Py_XNewRef(event_at(history, seq));
    uint8_t id[ONEX_ID_SIZE], parent[ONEX_ID_SIZE];
    if (event == NULL) {
        return 0;
    }
    int has_id = onex_event_get_id(st, event, ONEX_ID, id);
    int has_parent =
        has_id < 0 ? -1 : onex_event_get_id(st, event, ONEX_PARENT_ID, parent);
    Py_DECREF(event);
    if (has_parent < 0) {
        return -1;
    }
    onex_idmap_value *value;
    if (has_id) {
        if (onex_idmap_insert(&history->by_id, id, &value, NULL) != ONEX_OK) {
            return out_of_memory();
        }
        value->number = seq;
    }
    if (has_parent) {
        if (onex_idmap_insert(&history->newest_child, parent, &value, NULL) !=
            ONEX_OK) {
            return out_of_memory();
        }
        history->child_before[seq % (uint64_t)history->capacity] =
            value->number;
        value->number = seq;
    }
    return 0;
}

/* Enters everything that came since the last question. 0 / -1 */
static int
bring_up_to_date(onex_state *st, onex_history *history)
{
    if (history->capacity == 0) {
        return 0;
    }
    size_t most = 2 * (size_t)history->capacity + 64;
    if (onex_idmap_count(&history->by_id) > most ||
        onex_idmap_count(&history->newest_child) > most) {
        onex_idmap_clear(&history->by_id);
        onex_idmap_clear(&history->newest_child);
        history->indexed = history->first;
    }
    if (history->child_before == NULL) {
        history->child_before = PyMem_New(uint64_t, (size_t)history->capacity);
        if (history->child_before == NULL) {
            return out_of_memory();
        }
    }
    while (history->indexed < end(history)) {
        uint64_t seq = history->indexed++;
        if (index_event(st, history, seq) < 0) {
            if (PyErr_ExceptionMatches(PyExc_MemoryError)) {
                forget_indices(history); /* the next question begins anew */
            }
            return -1;
        }
    }
    return 0;
}

PyObject *
onex_history_find(onex_state *st, onex_history *history, const uint8_t id[16])
{
    if (bring_up_to_date(st, history) < 0) {
        return NULL;
    }
    onex_idmap_value *value = onex_idmap_find(&history->by_id, id);
    return value == NULL ? NULL : Py_XNewRef(event_at(history, value->number));
}

PyObject *
onex_history_children(onex_state *st, onex_history *history,
                      const uint8_t id[16])
{
    if (bring_up_to_date(st, history) < 0) {
        return NULL;
    }
    PyObject *children = PyList_New(0);
    onex_idmap_value *value = onex_idmap_find(&history->newest_child, id);
    uint64_t seq = value == NULL ? 0 : value->number;
    while (children != NULL && seq >= history->first) {
        PyObject *event = event_at(history, seq);
        uint64_t before =
            history->child_before[seq % (uint64_t)history->capacity];
        if (event == NULL || PyList_Append(children, event) < 0) {
            Py_CLEAR(children);
        }
        seq = before;
    }
    if (children != NULL && PyList_Reverse(children) < 0) {
        Py_CLEAR(children);
    }
    return children;
}
