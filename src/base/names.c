/* SPDX-License-Identifier: Apache-2.0 */
/* Open addressing with linear probing, at most half full. A removed name's place is filled by those that were
 * pushed past it (Knuth, The Art of Computer Programming, 6.4, algorithm R), so that no place is lost. */
#include "base/base.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct place {
    const char *name; /* NULL: free */
    uint64_t hash;
    size_t at;
};

struct names {
    struct arena *arena;
    size_t used, size; /* size is a power of two */
    struct place *places;
};

enum { SIZE_FIRST = 64 };

static uint64_t secret[2];
static pthread_once_t secret_once = PTHREAD_ONCE_INIT;

static void secret_make(void)
{
    if (getrandom(secret, sizeof secret, 0) != sizeof secret)
        abort(); /* getrandom(2): so few bytes are given whole */
    secret[1] |= 1;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_of(const char *name)
{
    size_t n = strlen(name);
    uint64_t h = secret[0] ^ n;

    for (; n > 0; n -= n < 8 ? n : 8) {
        uint64_t word = 0;

        memcpy(&word, name, n < 8 ? n : 8);
        h = mix(h ^ word, secret[1]) + secret[0];
        name += n < 8 ? n : 8;
    }
    return mix(h, secret[1]);
}

struct names *names_make(struct arena *a)
{
    struct names *n = arena_new(a, struct names);

    pthread_once(&secret_once, secret_make);
    n->arena = a;
    n->size = SIZE_FIRST;
    n->places = arena_array(a, struct place, n->size);
    return n;
}

/* The name's place, or the free one where it belongs. */
static struct place *seek(const struct names *n, const char *name, uint64_t hash)
{
    size_t i = hash & (n->size - 1);

    while (n->places[i].name && (n->places[i].hash != hash || strcmp(n->places[i].name, name) != 0))
        i = (i + 1) & (n->size - 1);
    return &n->places[i];
}

static void grow(struct names *n)
{
    struct place *old = n->places;
    size_t size = n->size;

    n->size *= 2;
    n->places = arena_array(n->arena, struct place, n->size);
    for (size_t i = 0; i < size; i++)
        if (old[i].name)
            *seek(n, old[i].name, old[i].hash) = old[i];
}

bool names_put(struct names *n, const char *name, size_t at)
{
    uint64_t hash = hash_of(name);
    struct place *p = seek(n, name, hash);

    if (p->name) {
        p->at = at;
        return false;
    }
    if (n->used == n->size / 2) {
        grow(n);
        p = seek(n, name, hash);
    }
    *p = (struct place){ name, hash, at };
    n->used++;
    return true;
}

bool names_find(const struct names *n, const char *name, size_t *ret_at)
{
    const struct place *p = seek(n, name, hash_of(name));

    if (p->name && ret_at)
        *ret_at = p->at;
    return p->name != NULL;
}

void names_remove(struct names *n, const char *name)
{
    size_t mask = n->size - 1, hole = (size_t)(seek(n, name, hash_of(name)) - n->places);

    if (!n->places[hole].name)
        return;
    for (size_t i = (hole + 1) & mask; n->places[i].name; i = (i + 1) & mask) {
        size_t home = n->places[i].hash & mask;

        /* It may move into the hole unless its home lies behind the hole, on the way to where it is. */
        if (((i - home) & mask) < ((i - hole) & mask))
            continue;
        n->places[hole] = n->places[i];
        hole = i;
    }
    n->places[hole].name = NULL;
    n->used--;
}
