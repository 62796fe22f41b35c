/* Matching: which subscriptions want an event, and whether anyone would.
 *
 * The answer for one (class, type string) is a tuple of subscriptions by
 * priority, predicates not yet asked.  It is cached in an open-addressing
 * table and patched when a subscription comes or goes, so that dispatch costs
 * one probe however many subscriptions there are, and one that comes and goes
 * (`expect`) costs one comparison for each kind of event seen. */
#include "py/bus_internal.h"

#include "py/hook.h"

#define MAX_CACHED 1024 /* kinds of events; beyond it the cache starts anew */

/* --- the cache ------------------------------------------------------------ */

static size_t
match_hash(PyTypeObject *cls, PyObject *name)
{
    size_t hash = ((size_t)cls >> 4) * (size_t)0x9E3779B97F4A7C15u;
    return (hash >> 7) ^ (size_t)PyObject_Hash(name);
}

static bool
same_name(PyObject *a, PyObject *b)
{
    return a == b || PyUnicode_Compare(a, b) == 0;
}

static onex_match *
cache_probe(onex_match_cache *cache, PyTypeObject *cls, PyObject *name)
{
    size_t i = match_hash(cls, name) & cache->mask;
    for (;;) {
        onex_match *slot = &cache->slots[i];
        if (slot->cls == NULL ||
            (slot->cls == cls && same_name(slot->name, name))) {
            return slot;
        }
        i = (i + 1) & cache->mask;
    }
}

void
onex_match_cache_clear(onex_match_cache *cache)
{
    onex_match *slots = cache->slots;
    size_t n = slots == NULL ? 0 : cache->mask + 1;
    cache->slots = NULL;
    cache->mask = 0;
    cache->used = 0;
    for (size_t i = 0; i < n; i++) {
        Py_XDECREF(slots[i].cls);
        Py_XDECREF(slots[i].name);
        Py_XDECREF(slots[i].subs);
    }
    PyMem_Free(slots);
}

int
onex_match_cache_traverse(onex_match_cache *cache, visitproc visit, void *arg)
{
    size_t n = cache->slots == NULL ? 0 : cache->mask + 1;
    for (size_t i = 0; i < n; i++) {
        Py_VISIT(cache->slots[i].cls);
        Py_VISIT(cache->slots[i].name);
        Py_VISIT(cache->slots[i].subs);
    }
    return 0;
}

static int
cache_reserve(onex_match_cache *cache)
{
    size_t n = cache->slots == NULL ? 0 : cache->mask + 1;
    if (n != 0 && (cache->used + 1) * 3 <= n * 2) {
        return 0;
    }
    size_t larger = n == 0 ? 16 : 2 * n;
    onex_match *old = cache->slots;
    onex_match *slots = PyMem_Calloc(larger, sizeof(onex_match));
    if (slots == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    cache->slots = slots;
    cache->mask = larger - 1;
    for (size_t i = 0; i < n; i++) {
        if (old[i].cls != NULL) {
            *cache_probe(cache, old[i].cls, old[i].name) = old[i];
        }
    }
    PyMem_Free(old);
    return 0;
}

static int
add_count(PyObject *counts, PyObject *name, uint64_t more)
{
    PyObject *old = PyDict_GetItemWithError(counts, name);
    if (old == NULL && PyErr_Occurred()) {
        return -1;
    }
    uint64_t before = old == NULL ? 0 : PyLong_AsUnsignedLongLong(old);
    PyObject *sum = PyLong_FromUnsignedLongLong(before + more);
    if (sum == NULL) {
        return -1;
    }
    int result = PyDict_SetItem(counts, name, sum);
    Py_DECREF(sum);
    return result;
}

int
onex_bus_fold_counts(onex_bus *bus)
{
    onex_match_cache taken = bus->matches;
    bus->matches = (onex_match_cache){NULL, 0, 0};
    size_t n = taken.slots == NULL ? 0 : taken.mask + 1;
    int result = 0;
    for (size_t i = 0; i < n && result == 0; i++) {
        if (taken.slots[i].cls != NULL && taken.slots[i].count != 0) {
            result = add_count(bus->type_counts, taken.slots[i].name,
                               taken.slots[i].count);
        }
    }
    onex_match_cache_clear(&taken);
    return result;
}

/* --- one kind of event ---------------------------------------------------- */

/* The subscriptions of bus->subs that match, as a new tuple in order; an
 * empty match sets *subs to NULL. 0 / -1 */
static int
match_all(onex_bus *bus, PyTypeObject *cls, PyObject *name, PyObject **subs)
{
    *subs = NULL;
    PyObject *found = NULL;
    /* Patterns are compiled regular expressions and run no user code, but an
     * allocation may start the collector, and a finaliser may subscribe. */
    PyObject *all = PyList_AsTuple(bus->subs);
    if (all == NULL) {
        return -1;
    }
    int result = -1;
    Py_ssize_t n = PyTuple_GET_SIZE(all);
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *sub = PyTuple_GET_ITEM(all, i);
        int wants =
            ((onex_subscription *)sub)->active
                ? onex_subscription_matches((onex_subscription *)sub, cls, name)
                : 0;
        if (wants < 0) {
            goto done;
        }
        if (wants) {
            if (found == NULL && (found = PyList_New(0)) == NULL) {
                goto done;
            }
            if (PyList_Append(found, sub) < 0) {
                goto done;
            }
        }
    }
    if (found != NULL && (*subs = PyList_AsTuple(found)) == NULL) {
        goto done;
    }
    result = 0;
done:
    Py_XDECREF(found);
    Py_DECREF(all);
    return result;
}

onex_match *
onex_bus_match(onex_bus *bus, PyTypeObject *cls, PyObject *name)
{
    if (bus->matches.slots != NULL) {
        onex_match *slot = cache_probe(&bus->matches, cls, name);
        if (slot->cls != NULL) {
            return slot;
        }
    }
    PyObject *subs;
    uint32_t generation;
    do {
        generation = bus->listening.generation;
        if (match_all(bus, cls, name, &subs) < 0) {
            return NULL;
        }
        if (generation != bus->listening.generation) {
            Py_CLEAR(subs);
        }
    } while (generation != bus->listening.generation);
    if (bus->matches.used >= MAX_CACHED && onex_bus_fold_counts(bus) < 0) {
        Py_XDECREF(subs);
        return NULL;
    }
    if (cache_reserve(&bus->matches) < 0) {
        Py_XDECREF(subs);
        return NULL;
    }
    onex_match *slot = cache_probe(&bus->matches, cls, name);
    if (slot->cls == NULL) {
        slot->cls = (PyTypeObject *)Py_NewRef((PyObject *)cls);
        slot->name = Py_NewRef(name);
        slot->subs = subs;
        slot->count = 0;
        bus->matches.used++;
    }
    else {
        Py_XDECREF(subs); /* made by a finaliser meanwhile */
    }
    return slot;
}

/* --- subscriptions come and go -------------------------------------------- */

/* `subs` with `sub` put in its place, or taken out; a new tuple, or NULL with
 * *empty (nothing left) or with an exception. */
static PyObject *
patched(PyObject *subs, onex_subscription *sub, bool add, bool *empty)
{
    Py_ssize_t n = subs == NULL ? 0 : PyTuple_GET_SIZE(subs);
    Py_ssize_t at = 0;
    *empty = false;
    if (add) {
        while (at < n &&
               ((onex_subscription *)PyTuple_GET_ITEM(subs, at))->priority >=
                   sub->priority) {
            at++;
        }
    }
    else {
        while (at < n && PyTuple_GET_ITEM(subs, at) != (PyObject *)sub) {
            at++;
        }
        if (at == n) {
            return Py_XNewRef(subs);
        }
        if (n == 1) {
            *empty = true;
            return NULL;
        }
    }
    PyObject *result = PyTuple_New(add ? n + 1 : n - 1);
    if (result == NULL) {
        return NULL;
    }
    for (Py_ssize_t from = 0, to = 0; from < n || (add && from == at);) {
        if (from == at && add) {
            PyTuple_SET_ITEM(result, to++, Py_NewRef((PyObject *)sub));
            if (from == n) {
                break;
            }
        }
        else if (from == at) {
            from++;
            continue;
        }
        PyTuple_SET_ITEM(result, to++, Py_NewRef(PyTuple_GET_ITEM(subs, from)));
        from++;
    }
    return result;
}

/* Brings every cached match up to date with a subscription that came or
 * went; gives the cache up when anything changes it meanwhile. 0 / -1 */
static int
patch_cache(onex_bus *bus, onex_subscription *sub, bool add)
{
    onex_match_cache *cache = &bus->matches;
    size_t n = cache->slots == NULL ? 0 : cache->mask + 1;
    for (size_t i = 0; i < n; i++) {
        onex_match *slots = cache->slots;
        onex_match *slot = &slots[i];
        if (slot->cls == NULL || (!add && slot->subs == NULL)) {
            continue;
        }
        PyTypeObject *cls = (PyTypeObject *)Py_NewRef((PyObject *)slot->cls);
        PyObject *name = Py_NewRef(slot->name);
        PyObject *before = Py_XNewRef(slot->subs);
        PyObject *after = NULL;
        bool empty = false;
        int wants = add ? onex_subscription_matches(sub, cls, name) : 1;
        if (wants > 0) {
            after = patched(before, sub, add, &empty);
        }
        Py_DECREF(name);
        Py_DECREF((PyObject *)cls);
        bool failed = wants < 0 || (wants > 0 && after == NULL && !empty);
        if (failed || cache->slots != slots || slot->subs != before) {
            Py_XDECREF(before);
            Py_XDECREF(after);
            if (failed) {
                PyErr_Clear(); /* matching anew will say so */
            }
            return onex_bus_fold_counts(bus);
        }
        if (wants > 0) {
            slot->subs = after;
            Py_XDECREF(before);
        }
        Py_XDECREF(before);
    }
    return 0;
}

/* Removes expired weak subscriptions. 0 / -1 */
static int
sweep(onex_bus *bus)
{
    for (Py_ssize_t i = PyList_GET_SIZE(bus->subs); bus->dead > 0 && i-- > 0;) {
        PyObject *sub = PyList_GET_ITEM(bus->subs, i);
        if (!((onex_subscription *)sub)->active) {
            bus->dead--;
            Py_INCREF(sub);
            int result = PyList_SetSlice(bus->subs, i, i + 1, NULL);
            if (result == 0) {
                result = patch_cache(bus, (onex_subscription *)sub, false);
            }
            Py_DECREF(sub);
            if (result < 0) {
                return -1;
            }
            if (i > PyList_GET_SIZE(bus->subs)) {
                i = PyList_GET_SIZE(bus->subs);
            }
        }
    }
    return 0;
}

int
onex_bus_add(onex_bus *bus, onex_subscription *sub)
{
    if (sweep(bus) < 0) {
        return -1;
    }
    Py_ssize_t at = PyList_GET_SIZE(bus->subs);
    while (at > 0 &&
           ((onex_subscription *)PyList_GET_ITEM(bus->subs, at - 1))->priority <
               sub->priority) {
        at--;
    }
    if (PyList_Insert(bus->subs, at, (PyObject *)sub) < 0) {
        return -1;
    }
    sub->order = bus->next_order++;
    sub->active = true;
    onex_bus_interest_grew(bus, sub);
    return patch_cache(bus, sub, true);
}

/* Unknown or repeated: nothing happens. */
int
onex_bus_remove(onex_bus *bus, onex_subscription *sub)
{
    if (!sub->active) {
        return 0;
    }
    sub->active = false;
    Py_ssize_t n = PyList_GET_SIZE(bus->subs);
    for (Py_ssize_t i = 0; i < n; i++) {
        if (PyList_GET_ITEM(bus->subs, i) == (PyObject *)sub) {
            if (PyList_SetSlice(bus->subs, i, i + 1, NULL) < 0) {
                return -1;
            }
            break;
        }
    }
    onex_bus_interest_changed(bus);
    return patch_cache(bus, sub, false);
}

/* May be called from a weak reference's callback: runs no Python code and
 * changes no list. */
void
onex_bus_expire(onex_bus *bus, onex_subscription *sub)
{
    sub->active = false;
    bus->dead++;
    onex_bus_interest_changed(bus);
}

void
onex_bus_interest_changed(onex_bus *bus)
{
    bool listening = PyList_GET_SIZE(bus->subs) - bus->dead > 0 ||
                     PyList_GET_SIZE(bus->listeners) > 0 || bus->record_all;
    bus->listening.listening = listening && !bus->closed;
    bus->listening.generation++;
    if (bus->st->default_bus == (PyObject *)bus) {
        bus->st->default_listening.listening = bus->listening.listening;
        bus->st->default_listening.generation++;
    }
}

void
onex_bus_interest_grew(onex_bus *bus, onex_subscription *sub)
{
    onex_bus_interest_changed(bus);
    onex_hooks_engage(&bus->listening, sub);
    if (bus->st->default_bus == (PyObject *)bus) {
        onex_hooks_engage(&bus->st->default_listening, sub);
    }
}

/* --- interest ------------------------------------------------------------- */

/* Is there a class below both?  1, 0, or -1 with an exception.  Runs no user
 * code: a metaclass's own __subclasses__ is not asked. */
static int
have_common_subclass(PyTypeObject *cls, PyTypeObject *other)
{
    PyObject *below = PyObject_CallMethod((PyObject *)&PyType_Type,
                                          "__subclasses__", "O", cls);
    if (below == NULL) {
        return -1;
    }
    int found = 0;
    for (Py_ssize_t i = 0; found == 0 && i < PyList_GET_SIZE(below); i++) {
        PyTypeObject *sub = (PyTypeObject *)PyList_GET_ITEM(below, i);
        found =
            PyType_IsSubtype(sub, other) ? 1 : have_common_subclass(sub, other);
    }
    Py_DECREF(below);
    return found;
}

int
onex_subscription_interest(onex_subscription *sub, PyObject *cls,
                           PyObject *name, bool exact)
{
    bool certain = sub->predicate == NULL;
    if (!sub->active) {
        return ONEX_INTEREST_NEVER;
    }
    if (cls == NULL) {
        return ONEX_INTEREST_MAYBE;
    }
    if (exact) {
        int wants = onex_subscription_matches(sub, (PyTypeObject *)cls, name);
        if (wants <= 0) {
            return wants;
        }
        certain = certain && (sub->pattern == NULL || name != NULL);
        return certain ? ONEX_INTEREST_YES : ONEX_INTEREST_MAYBE;
    }
    if (sub->event_types == NULL) {
        return ONEX_INTEREST_MAYBE;
    }
    int interest = ONEX_INTEREST_NEVER;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(sub->event_types); i++) {
        PyTypeObject *type =
            (PyTypeObject *)PyTuple_GET_ITEM(sub->event_types, i);
        if (PyType_IsSubtype((PyTypeObject *)cls, type)) {
            return certain && sub->pattern == NULL ? ONEX_INTEREST_YES
                                                   : ONEX_INTEREST_MAYBE;
        }
        /* A class below the bound may be below the listener's class too
         * (EventBus.classes_changed says when one is made). */
        int common = PyType_IsSubtype(type, (PyTypeObject *)cls)
                         ? 1
                         : have_common_subclass((PyTypeObject *)cls, type);
        if (common < 0) {
            return -1;
        }
        if (common) {
            interest = ONEX_INTEREST_MAYBE;
        }
    }
    return interest;
}

static int
interest_in_list(PyObject *subs, PyObject *cls, PyObject *name, bool exact)
{
    int interest = ONEX_INTEREST_NEVER;
    PyObject *all = PyList_AsTuple(subs);
    if (all == NULL) {
        return -1;
    }
    for (Py_ssize_t i = 0;
         i < PyTuple_GET_SIZE(all) && interest != ONEX_INTEREST_YES; i++) {
        int one = onex_subscription_interest(
            (onex_subscription *)PyTuple_GET_ITEM(all, i), cls, name, exact);
        if (one < 0) {
            interest = -1;
            break;
        }
        interest = one > interest ? one : interest;
    }
    Py_DECREF(all);
    return interest;
}

int
onex_bus_interest_of(onex_bus *bus, PyObject *cls, PyObject *name, bool exact,
                     bool recorded)
{
    if (!bus->listening.listening) {
        return ONEX_INTEREST_NEVER;
    }
    /* A listener without a filter takes everything. */
    if ((bus->record_all && recorded) ||
        PyList_GET_SIZE(bus->listeners) > PyList_GET_SIZE(bus->filters)) {
        return ONEX_INTEREST_YES;
    }
    int in_subs = interest_in_list(bus->subs, cls, name, exact);
    if (in_subs < 0 || in_subs == ONEX_INTEREST_YES) {
        return in_subs;
    }
    int in_filters = interest_in_list(bus->filters, cls, name, exact);
    return in_filters < 0 || in_filters > in_subs ? in_filters : in_subs;
}
