/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http.h"

#include <string.h>
#include <strings.h>

static const char *skip_blanks(const char *p)
{
    while (*p == ' ' || *p == '\t')
        p++;
    return p;
}

/* Digits at *p; an overflowing number is as good as infinite. false when there is no digit. */
static bool number(const char **p, uint64_t *ret)
{
    const char *start = *p;
    uint64_t n = 0;

    for (; **p >= '0' && **p <= '9'; (*p)++)
        if (__builtin_mul_overflow(n, (uint64_t)10, &n) ||
            __builtin_add_overflow(n, (uint64_t)(**p - '0'), &n))
            n = UINT64_MAX / 10;
    *ret = n;
    return *p > start;
}

static const char *bytes_unit(const char *header)
{
    header = skip_blanks(header);
    if (strncasecmp(header, "bytes", 5) != 0)
        return NULL;
    return skip_blanks(header + 5);
}

static enum http_range_kind suffix(uint64_t n, uint64_t size, struct http_range *ret)
{
    if (size == 0)
        return RANGE_UNSATISFIABLE;
    ret->len =
        n > 0 && n < size ? n : size; /* "-0" is the whole to Glance, where RFC 9110 has it unsatisfiable */
    ret->offset = size - ret->len;
    return RANGE_ONE;
}

static enum http_range_kind span(uint64_t first, uint64_t last, uint64_t size, struct http_range *ret)
{
    if (first >= size)
        return RANGE_UNSATISFIABLE;
    if (last >= size)
        last = size - 1;
    ret->offset = first;
    ret->len = last - first + 1;
    return RANGE_ONE;
}

enum http_range_kind http_range_parse(const char *header, uint64_t size, struct http_range *ret)
{
    bool has_first, has_last;
    uint64_t first, last;
    const char *p;

    if (!header)
        return RANGE_NONE;
    p = bytes_unit(header);
    if (!p || *p != '=')
        return RANGE_MALFORMED;
    p = skip_blanks(p + 1);
    if (strchr(p, ','))
        return RANGE_SEVERAL;
    has_first = number(&p, &first);
    p = skip_blanks(p);
    if (*p++ != '-')
        return RANGE_MALFORMED;
    p = skip_blanks(p);
    has_last = number(&p, &last);
    if (!has_first && !has_last)
        return RANGE_MALFORMED;
    if (!has_first) /* what follows the numbers is not looked at, as WebOb's grammar has it */
        return suffix(last, size, ret);
    if (has_last && last < first)
        return RANGE_MALFORMED;
    return span(first, has_last ? last : UINT64_MAX, size, ret);
}

enum http_range_kind http_content_range_parse(const char *header, uint64_t size, struct http_range *ret)
{
    uint64_t first, last, total;
    const char *p;

    if (!header)
        return RANGE_NONE;
    if (strncmp(header, "bytes ", 6) != 0) /* here WebOb is strict */
        return RANGE_MALFORMED;
    p = header + 6;
    if (!number(&p, &first) || *p++ != '-' || !number(&p, &last) || *p++ != '/' || last < first)
        return RANGE_MALFORMED;
    if (*p == '*')
        p++;
    else if (!number(&p, &total) || last >= total)
        return RANGE_MALFORMED;
    if (*skip_blanks(p))
        return RANGE_MALFORMED;
    if (last >= size)
        return RANGE_UNSATISFIABLE;
    return span(first, last, size, ret);
}
