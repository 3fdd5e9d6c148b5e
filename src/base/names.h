/* SPDX-License-Identifier: Apache-2.0 */
/* Where each name stands in a list that a client may make long: a hash table in an arena.
 *
 * The hash depends on a secret of the process, so that nobody can choose names that collide. Names are not
 * copied: they must stay as long as the arena. One thread at a time; allocation does not fail. */
#ifndef BASE_NAMES_H
#define BASE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

/* Up to so many names, looking at one after the other is as quick. */
enum { NAMES_WORTH = 32 };

struct arena;
struct names;

struct names *names_make(struct arena *a) __attribute__((returns_nonnull));
/* Says that the name stands at this place from now on. False when it had a place before. */
bool names_put(struct names *n, const char *name, size_t at);
bool names_find(const struct names *n, const char *name, size_t *ret_at); /* ret_at may be NULL */
void names_remove(struct names *n, const char *name);

#endif
