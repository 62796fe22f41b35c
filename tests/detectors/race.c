/* A race: eight threads push to one ring without its owner's lock. */
#include "check.h"

#include <pthread.h>

#include "core/ring.h"

#define THREADS 8
#define EACH 1000

static void *
push_many(void *ring)
{
    for (int i = 0; i < EACH; i++) {
        void *slot;
        (void)onex_ring_push(ring, &slot);
    }
    return NULL;
}

int
main(void)
{
    onex_ring ring;
    onex_ring_init(&ring, sizeof(int), 0, NULL);
    if (onex_ring_reserve(&ring, THREADS * EACH) != ONEX_OK) {
        return 2;
    }
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, push_many, &ring) != 0) {
            return 2;
        }
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    onex_ring_free(&ring);
    return 0;
}
