/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void str_init(struct str *s)
{
    *s = (struct str)STR_INIT;
}

void str_done(struct str *s)
{
    free(s->data);
    str_init(s);
}

void str_clear(struct str *s)
{
    s->len = 0;
    if (s->data)
        s->data[0] = '\0';
}

void str_reserve(struct str *s, size_t more)
{
    size_t need = s->len + more + 1, cap = s->cap ? s->cap : 64;

    if (need <= s->cap)
        return;
    while (cap < need)
        cap *= 2;
    s->data = mem_resize(s->data, cap);
    s->cap = cap;
}

void str_addv(struct str *s, const char *format, va_list ap)
{
    va_list again;
    size_t room;
    int n;

    str_reserve(s, 127);
    room = s->cap - s->len;
    va_copy(again, ap);
    n = vsnprintf(s->data + s->len, room, format, ap);
    if ((size_t)n >= room) {
        str_reserve(s, (size_t)n);
        vsnprintf(s->data + s->len, (size_t)n + 1, format, again);
    }
    va_end(again);
    s->len += (size_t)n;
}

void str_addf(struct str *s, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    str_addv(s, format, ap);
    va_end(ap);
}

void str_add_u64(struct str *s, uint64_t n)
{
    char digits[20];
    size_t i = sizeof digits;

    do
        digits[--i] = (char)('0' + n % 10);
    while (n /= 10);
    str_addn(s, digits + i, sizeof digits - i);
}

const char *str_text(const struct str *s)
{
    return s->data ? s->data : "";
}

bool str_eq(const char *a, const char *b)
{
    if (!a || !b)
        return a == b;
    return strcmp(a, b) == 0;
}

bool str_starts(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
    size_t n = strlen(s), m = strlen(suffix);

    return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool str_eq_nocase(const char *a, const char *b)
{
    if (!a || !b)
        return a == b;
    while (*a && lower(*a) == lower(*b)) {
        a++;
        b++;
    }
    return lower(*a) == lower(*b);
}

void str_lower(char *s)
{
    for (; *s; s++)
        *s = lower(*s);
}

bool str_to_u64(const char *s, uint64_t max, uint64_t *ret)
{
    uint64_t n = 0;

    if (!*s)
        return false;
    for (; *s; s++) {
        if (*s < '0' || *s > '9')
            return false;
        if (__builtin_mul_overflow(n, (uint64_t)10, &n) ||
            __builtin_add_overflow(n, (uint64_t)(*s - '0'), &n))
            return false;
    }
    if (n > max)
        return false;
    *ret = n;
    return true;
}

bool str_to_i64(const char *s, int64_t min, int64_t max, int64_t *ret)
{
    bool negative = min < 0 && *s == '-';
    uint64_t n;
    int64_t value;

    if (!str_to_u64(s + negative, (uint64_t)INT64_MAX, &n))
        return false;
    value = negative ? -(int64_t)n : (int64_t)n;
    if (value < min || value > max)
        return false;
    *ret = value;
    return true;
}

/* Length of the sequence that starts at p, or 0 when it is malformed, overlong, a surrogate or
 * beyond U+10FFFF (RFC 3629, section 4). */
size_t str_utf8_sequence(const char *s, size_t n)
{
    const unsigned char *p = (const unsigned char *)s;
    unsigned char c = p[0];
    size_t len = c < 0x80                ? 1
                 : c >= 0xC2 && c < 0xE0 ? 2
                 : c >= 0xE0 && c < 0xF0 ? 3
                 : c >= 0xF0 && c < 0xF5 ? 4
                                         : 0;

    if (len == 0 || len > n)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    if ((c == 0xE0 && p[1] < 0xA0) || (c == 0xED && p[1] > 0x9F) || (c == 0xF0 && p[1] < 0x90) ||
        (c == 0xF4 && p[1] > 0x8F))
        return 0;
    return len;
}

int64_t str_utf8_len(const char *s, size_t n)
{
    int64_t count = 0;

    for (size_t i = 0; i < n; count++) {
        size_t len = str_utf8_sequence(s + i, n - i);

        if (len == 0)
            return -1;
        i += len;
    }
    return count;
}

void str_add_utf8(struct str *s, const char *text)
{
    size_t n = strlen(text);

    for (size_t i = 0; i < n;) {
        size_t len = str_utf8_sequence(text + i, n - i);

        if (len > 0)
            str_addn(s, text + i, len);
        else
            str_add(s, "\xEF\xBF\xBD");
        i += len > 0 ? len : 1;
    }
}

void str_hex(const void *bytes, size_t n, char *out)
{
    static const char digit[] = "0123456789abcdef";
    const unsigned char *p = bytes;

    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digit[p[i] >> 4];
        out[2 * i + 1] = digit[p[i] & 15];
    }
    out[2 * n] = '\0';
}

size_t str_copy(char *dst, size_t size, const char *src)
{
    size_t n = strlen(src), take = n < size ? n : size - 1;

    memcpy(dst, src, take);
    dst[take] = '\0';
    return n;
}
