/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http.h"

#include <string.h>

#define IN_TOKEN (HTTP_TOKEN | HTTP_TEXT | HTTP_TARGET)
static const unsigned char classes[256] = {
    ['\t'] = HTTP_TEXT,
    [' '] = HTTP_TEXT,
    ['!'] = IN_TOKEN | HTTP_HOST,
    ['"'] = HTTP_TEXT | HTTP_TARGET,
    ['#'] = IN_TOKEN & ~HTTP_TARGET,
    ['$' ... '\''] = IN_TOKEN | HTTP_HOST,
    ['(' ... ')'] = HTTP_TEXT | HTTP_TARGET | HTTP_HOST,
    ['*' ... '+'] = IN_TOKEN | HTTP_HOST,
    [','] = HTTP_TEXT | HTTP_TARGET | HTTP_HOST,
    ['-' ... '.'] = IN_TOKEN | HTTP_HOST,
    ['/'] = HTTP_TEXT | HTTP_TARGET,
    ['0' ... '9'] = IN_TOKEN | HTTP_HOST,
    [':' ... ';'] = HTTP_TEXT | HTTP_TARGET | HTTP_HOST,
    ['<'] = HTTP_TEXT | HTTP_TARGET,
    ['='] = HTTP_TEXT | HTTP_TARGET | HTTP_HOST,
    ['>' ... '@'] = HTTP_TEXT | HTTP_TARGET,
    ['A' ... 'Z'] = IN_TOKEN | HTTP_HOST,
    ['['] = HTTP_TEXT | HTTP_TARGET | HTTP_HOST,
    ['\\'] = HTTP_TEXT | HTTP_TARGET,
    [']'] = HTTP_TEXT | HTTP_TARGET | HTTP_HOST,
    ['^'] = IN_TOKEN,
    ['_'] = IN_TOKEN | HTTP_HOST,
    ['`'] = IN_TOKEN,
    ['a' ... 'z'] = IN_TOKEN | HTTP_HOST,
    ['{'] = HTTP_TEXT | HTTP_TARGET,
    ['|'] = IN_TOKEN,
    ['}'] = HTTP_TEXT | HTTP_TARGET,
    ['~'] = IN_TOKEN | HTTP_HOST,
    /* Clients do send raw UTF-8 in targets, and no byte of it means anything to the framing. */
    [0x80 ... 0xFF] = HTTP_TEXT | HTTP_TARGET,
};

size_t http_span(const char *p, const char *end, unsigned wanted)
{
    const char *from = p;

    while (p < end && classes[(unsigned char)*p] & wanted)
        p++;
    return (size_t)(p - from);
}

int http_hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool http_host_valid(const char *p, size_t n)
{
    const char *end = p + n, *colon;

    if (http_span(p, end, HTTP_HOST) != n)
        return false;
    if (n > 0 && *p == '[') {
        const char *close = memchr(p, ']', n);

        if (!close || close == p + 1)
            return false;
        for (const char *c = p + 1; c < close; c++)
            if (*c == '[')
                return false;
        p = close + 1;
        if (p < end && *p != ':')
            return false;
    }
    colon = memchr(p, ':', (size_t)(end - p));
    for (const char *c = p; c < (colon ? colon : end); c++)
        if (*c == '[' || *c == ']')
            return false;
    if (!colon)
        return true;
    for (p = colon + 1; p < end; p++)
        if (*p < '0' || *p > '9')
            return false;
    return end - colon <= 6;
}
