/* The event queue: a ring of owned references, known by sequence numbers. */
#include "py/allocator.h"
#include "py/bus_internal.h"

void
onex_entry_clear(onex_entry *entry)
{
    Py_CLEAR(entry->event);
    Py_CLEAR(entry->context);
    Py_CLEAR(entry->receipt);
}

void
onex_queue_init(onex_queue *queue)
{
    onex_ring_init(&queue->ring, sizeof(onex_entry), 0, &onex_python_allocator);
    queue->head = 1;
    queue->live = 0;
}

/* Steals the entry's references on success. */
int
onex_queue_push(onex_queue *queue, onex_entry entry)
{
    void *slot;
    if (onex_ring_push_anyway(&queue->ring, &slot) != ONEX_OK) {
        PyErr_NoMemory();
        return -1;
    }
    *(onex_entry *)slot = entry;
    queue->live++;
    return 0;
}

/* Takes the oldest entry that was not dropped; false when there is none. */
bool
onex_queue_pop(onex_queue *queue, onex_entry *entry)
{
    onex_entry *slot;
    while ((slot = onex_ring_pop(&queue->ring)) != NULL) {
        queue->head++;
        *entry = *slot;
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
    onex_entry *slot =
        seq < queue->head
            ? NULL
            : onex_ring_peek(&queue->ring, (size_t)(seq - queue->head));
    if (slot == NULL) {
        return none;
    }
    onex_entry entry = *slot;
    *slot = none;
    if (entry.event != NULL) {
        queue->live--;
    }
    return entry;
}

/* Releases everything; the numbers go on.  Python code may run, and may push
 * onto the queue, which is consistent at every release. */
void
onex_queue_clear(onex_queue *queue)
{
    onex_entry entry;
    while (onex_queue_pop(queue, &entry)) {
        onex_entry_clear(&entry);
    }
    if (onex_ring_count(&queue->ring) == 0) {
        onex_ring_free(&queue->ring);
    }
}

int
onex_queue_traverse(onex_queue *queue, visitproc visit, void *arg)
{
    for (size_t i = 0; i < onex_ring_count(&queue->ring); i++) {
        onex_entry *entry = onex_ring_peek(&queue->ring, i);
        Py_VISIT(entry->event);
        Py_VISIT(entry->context);
        Py_VISIT(entry->receipt);
    }
    return 0;
}
