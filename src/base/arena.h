/* SPDX-License-Identifier: Apache-2.0 */
/* Memory with one lifetime: a request, a job, a configuration. Freed in one call.
 *
 * An arena belongs to one thread at a time. Memory it hands out is valid until arena_free() or
 * arena_reset(); allocation does not fail (see mem.h). Image data never goes through an arena. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

struct arena;

struct arena *arena_make(size_t first_block) __attribute__((returns_nonnull));
void arena_free(struct arena *a); /* runs what arena_at_end() was given, last first; takes NULL */
static inline void arena_end(struct arena **a) /* for CLEANUP */
{
    arena_free(*a);
}
void arena_reset(struct arena *a); /* as free and make, but keeps the first block */

void *arena_alloc(struct arena *a, size_t n) __attribute__((returns_nonnull)); /* zeroed, 16-aligned */
char *arena_str(struct arena *a, const char *s);                               /* NULL gives NULL */
char *arena_strn(struct arena *a, const char *s, size_t n);
char *arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(struct arena *a, const char *format, va_list ap) __attribute__((format(printf, 2, 0)));
char *arena_join(struct arena *a, const char *const *items, size_t n); /* "a,b,c"; "" of none */
void arena_at_end(struct arena *a, void (*fn)(void *), void *arg);

#define arena_new(a, type)      ((type *)arena_alloc((a), sizeof(type)))
#define arena_array(a, type, n) ((type *)arena_alloc_array((a), sizeof(type), (n)))
void *arena_alloc_array(struct arena *a, size_t size, size_t n) __attribute__((returns_nonnull));

/* Room for one more element at items[n]; doubles into new arena memory when n reaches *cap. */
void *arena_grow(struct arena *a, void *items, size_t n, size_t *cap, size_t size);
#define ARENA_PUSH(a, items, n, cap)                                                                         \
    ((items) = arena_grow((a), (items), (n), &(cap), sizeof *(items)), &(items)[(n)++])

#endif
