/* A use after free: an entry's address is good until its ring is freed, not longer. */
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
    *(volatile int *)slot = 7;
    onex_ring_free(&ring);
    return *(volatile int *)slot == 7 ? 0 : 3;
}
