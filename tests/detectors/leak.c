/* A leak: rings that are made anew before they were freed. */
#include "check.h"

#include "core/ring.h"

int
main(void)
{
    onex_ring ring;
    for (int i = 0; i < 10; i++) {
        void *slot;
        onex_ring_init(&ring, sizeof(int), 0, NULL);
        if (onex_ring_push(&ring, &slot) != ONEX_OK) {
            return 2;
        }
    }
    onex_ring_free(&ring);
    return 0;
}
