/* A read of what was never written: the caller of push fills the entry, or nobody does. */
#include "check.h"

#include "core/ring.h"

int
main(void)
{
    onex_ring ring;
    void *slot = NULL;
    onex_ring_init(&ring, sizeof(int), 0, NULL);
    if (onex_ring_push(&ring, &slot) != ONEX_OK) {
        return 2;
    }
    int status = *(volatile int *)slot;
    onex_ring_free(&ring);
    return status;
}
