/* The event queue: a ring indexed by sequence numbers. */
#include "py/bus_internal.h"

#define FIRST_SLOTS 64

void
onex_entry_clear(onex_entry *entry)
{
    Py_CLEAR(entry->event);
    Py_CLEAR(entry->context);
    Py_CLEAR(entry->receipt);
}

static int
queue_grow(onex_queue *queue)
{
    uint64_t slots = queue->slots == NULL ? FIRST_SLOTS : 2 * (queue->mask + 1);
    onex_entry *larger = PyMem_New(onex_entry, slots);
    if (larger == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (uint64_t seq = queue->head; seq != queue->tail; seq++) {
        larger[seq & (slots - 1)] = queue->slots[seq & queue->mask];
    }
    PyMem_Free(queue->slots);
    queue->slots = larger;
    queue->mask = slots - 1;
    return 0;
}

/* Steals the entry's references on success. */
int
onex_queue_push(onex_queue *queue, onex_entry entry)
{
    if (queue->slots == NULL || queue->tail - queue->head > queue->mask) {
        if (queue_grow(queue) < 0) {
            return -1;
        }
    }
    queue->slots[queue->tail++ & queue->mask] = entry;
    queue->live++;
    return 0;
}

/* Takes the oldest entry that was not dropped; false when there is none. */
bool
onex_queue_pop(onex_queue *queue, onex_entry *entry)
{
    while (queue->head != queue->tail) {
        *entry = queue->slots[queue->head++ & queue->mask];
        if (entry->event != NULL) {
            queue->live--;
            return true;
        }
    }
    return false;
}

/* Takes entry `seq` out of its place; its event is NULL when it is no longer
 * there. */
onex_entry
onex_queue_drop(onex_queue *queue, uint64_t seq)
{
    onex_entry none = {NULL, NULL, NULL};
    if (seq < queue->head || seq >= queue->tail) {
        return none;
    }
    onex_entry *slot = &queue->slots[seq & queue->mask];
    onex_entry entry = *slot;
    *slot = none;
    if (entry.event != NULL) {
        queue->live--;
    }
    return entry;
}

/* Releases everything; the numbers go on.  Python code may run (and may push
 * onto the queue, which is empty and consistent by then). */
void
onex_queue_clear(onex_queue *queue)
{
    onex_entry *slots = queue->slots;
    uint64_t mask = queue->mask, head = queue->head, tail = queue->tail;
    queue->slots = NULL;
    queue->mask = 0;
    queue->head = tail;
    queue->live = 0;
    for (uint64_t seq = head; seq != tail; seq++) {
        onex_entry_clear(&slots[seq & mask]);
    }
    PyMem_Free(slots);
}

int
onex_queue_traverse(onex_queue *queue, visitproc visit, void *arg)
{
    for (uint64_t seq = queue->head; seq != queue->tail; seq++) {
        onex_entry *entry = &queue->slots[seq & queue->mask];
        Py_VISIT(entry->event);
        Py_VISIT(entry->context);
        Py_VISIT(entry->receipt);
    }
    return 0;
}
