/* SPDX-License-Identifier: Apache-2.0 */
/* Heap memory that does not fail: inputs are bounded at the edge (http/limits.h), so within those
 * bounds an exhausted heap ends the process; what must survive that is in the database. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

void *mem_new(size_t n) __attribute__((malloc, returns_nonnull, warn_unused_result)); /* zeroed */
void *mem_resize(void *p, size_t n) __attribute__((returns_nonnull, warn_unused_result));
char *mem_str(const char *s) __attribute__((malloc, returns_nonnull, warn_unused_result));
void mem_free(void *p);      /* takes NULL */
void mem_free_ptr(char **p); /* for CLEANUP on a char * */

#endif
