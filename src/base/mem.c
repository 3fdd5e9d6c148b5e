/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *p)
{
    if (!p) {
        fputs("glint: out of memory\n", stderr);
        abort();
    }
    return p;
}

void *mem_new(size_t n)
{
    return checked(calloc(1, n ? n : 1));
}

void *mem_resize(void *p, size_t n)
{
    return checked(realloc(p, n ? n : 1));
}

char *mem_str(const char *s)
{
    return checked(strdup(s));
}

void mem_free(void *p)
{
    free(p);
}

void mem_free_ptr(char **p)
{
    free(*p);
}
