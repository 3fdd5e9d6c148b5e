/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGN = 16, BLOCK_MAX = 64 * 1024 };

struct block {
    struct block *next;
    size_t size, used; /* of data[] */
    _Alignas(ALIGN) unsigned char data[];
};

struct at_end {
    struct at_end *next;
    void (*fn)(void *);
    void *arg;
};

struct arena {
    struct block *blocks; /* the newest first; the last one is kept by arena_reset() */
    struct at_end *ends;
};

static struct block *block_make(size_t size)
{
    struct block *b = malloc(sizeof *b + size);

    if (!b)
        abort();
    b->next = NULL;
    b->size = size;
    b->used = 0;
    return b;
}

struct arena *arena_make(size_t first_block)
{
    struct arena *a = mem_new(sizeof *a);

    a->blocks = block_make(first_block < 256 ? 256 : first_block);
    return a;
}

static void run_ends(struct arena *a)
{
    for (struct at_end *c = a->ends; c; c = c->next)
        c->fn(c->arg);
    a->ends = NULL;
}

void arena_reset(struct arena *a)
{
    run_ends(a);
    while (a->blocks->next) {
        struct block *b = a->blocks;
        a->blocks = b->next;
        free(b);
    }
    a->blocks->used = 0;
}

void arena_free(struct arena *a)
{
    if (!a)
        return;
    arena_reset(a);
    free(a->blocks);
    free(a);
}

static void *take(struct arena *a, size_t n)
{
    struct block *b = a->blocks;
    size_t need = (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    void *p;

    if (need < n)
        abort();
    if (b->size - b->used < need) {
        size_t size = b->size * 2 > BLOCK_MAX ? BLOCK_MAX : b->size * 2;

        b = block_make(need > size ? need : size);
        b->next = a->blocks;
        a->blocks = b;
    }
    p = b->data + b->used;
    b->used += need;
    return p;
}

void *arena_alloc(struct arena *a, size_t n)
{
    void *p = take(a, n);

    memset(p, 0, n);
    return p;
}

void *arena_alloc_array(struct arena *a, size_t size, size_t n)
{
    size_t bytes;

    if (__builtin_mul_overflow(size, n, &bytes))
        abort();
    return arena_alloc(a, bytes);
}

char *arena_strn(struct arena *a, const char *s, size_t n)
{
    char *p = take(a, n + 1);

    memcpy(p, s, n);
    p[n] = '\0';
    return p;
}

char *arena_str(struct arena *a, const char *s)
{
    return s ? arena_strn(a, s, strlen(s)) : NULL;
}

char *arena_vprintf(struct arena *a, const char *format, va_list ap)
{
    char text[256], *p;
    va_list again;
    int n;

    va_copy(again, ap);
    n = vsnprintf(text, sizeof text, format, ap);
    if ((size_t)n < sizeof text) {
        p = arena_strn(a, text, (size_t)n);
    } else {
        p = take(a, (size_t)n + 1);
        vsnprintf(p, (size_t)n + 1, format, again);
    }
    va_end(again);
    return p;
}

char *arena_printf(struct arena *a, const char *format, ...)
{
    va_list ap;
    char *p;

    va_start(ap, format);
    p = arena_vprintf(a, format, ap);
    va_end(ap);
    return p;
}

char *arena_join(struct arena *a, const char *const *items, size_t n)
{
    CLEANUP(str_done) struct str text = STR_INIT;

    for (size_t i = 0; i < n; i++)
        str_addf(&text, "%s%s", i ? "," : "", items[i]);
    return arena_str(a, str_text(&text));
}

void arena_at_end(struct arena *a, void (*fn)(void *), void *arg)
{
    struct at_end *c = arena_new(a, struct at_end);

    c->fn = fn;
    c->arg = arg;
    c->next = a->ends;
    a->ends = c;
}

void *arena_grow(struct arena *a, void *items, size_t n, size_t *cap, size_t size)
{
    size_t more;
    void *p;

    if (n < *cap)
        return items;
    more = *cap ? *cap * 2 : 8;
    p = arena_alloc_array(a, size, more);
    if (n)
        memcpy(p, items, n * size);
    *cap = more;
    return p;
}
