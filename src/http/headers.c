/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http.h"

#include <string.h>

/* A header that carries a line break would let a value write headers of its own. */
static bool clean(const char *text)
{
    for (; *text; text++)
        if (*text == '\r' || *text == '\n')
            return false;
    return true;
}

void headers_add(struct arena *a, struct http_headers *h, const char *name, const char *value)
{
    struct http_header *header;

    if (!clean(name) || !clean(value))
        return;
    header = ARENA_PUSH(a, h->items, h->n, h->cap);
    header->name = name;
    header->value = value;
}

void headers_addf(struct arena *a, struct http_headers *h, const char *name, const char *format, ...)
{
    va_list ap;
    char *value;

    va_start(ap, format);
    value = arena_vprintf(a, format, ap);
    va_end(ap);
    headers_add(a, h, name, value);
}

void headers_drop(struct http_headers *h, const char *name)
{
    size_t kept = 0;

    for (size_t i = 0; i < h->n; i++)
        if (!str_eq_nocase(h->items[i].name, name))
            h->items[kept++] = h->items[i];
    h->n = kept;
}

const char *headers_get(const struct http_headers *h, const char *name)
{
    for (size_t i = 0; i < h->n; i++)
        if (str_eq_nocase(h->items[i].name, name))
            return h->items[i].value;
    return NULL;
}
