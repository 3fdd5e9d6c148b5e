/* SPDX-License-Identifier: Apache-2.0 */
/* A growing text buffer on the heap, and the few string helpers that libc lacks.
 * str_init() allocates nothing; str_done() frees and leaves an empty, reusable buffer. */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    char *data; /* always zero-terminated once something was added; NULL before */
    size_t len, cap;
};

#define STR_INIT                                                                                             \
    {                                                                                                        \
        NULL, 0, 0                                                                                           \
    }
void str_init(struct str *s);
void str_done(struct str *s); /* for CLEANUP too */
void str_clear(struct str *s);
void str_reserve(struct str *s, size_t more);
/* Inline: documents are put together from thousands of pieces, most of them literals. */
static inline void str_addn(struct str *s, const void *bytes, size_t n)
{
    if (s->cap - s->len <= n)
        str_reserve(s, n);
    if (n)
        memcpy(s->data + s->len, bytes, n);
    s->len += n;
    s->data[s->len] = '\0';
}

static inline void str_add(struct str *s, const char *text)
{
    str_addn(s, text, strlen(text));
}

static inline void str_addc(struct str *s, char c)
{
    str_addn(s, &c, 1);
}

void str_addf(struct str *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
void str_addv(struct str *s, const char *format, va_list ap) __attribute__((format(printf, 2, 0)));
void str_add_u64(struct str *s, uint64_t n);
const char *str_text(const struct str *s); /* "" when empty; valid until the next change */

bool str_eq(const char *a, const char *b); /* NULL equals only NULL */
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
/* ASCII case only, whatever the locale. */
bool str_eq_nocase(const char *a, const char *b);
void str_lower(char *s);
/* Decimal, whole text, no sign unless min < 0, no blanks; false when malformed or out of range. */
bool str_to_i64(const char *s, int64_t min, int64_t max, int64_t *ret);
bool str_to_u64(const char *s, uint64_t max, uint64_t *ret);
/* Characters (code points) of valid UTF-8, or -1 when s is not valid UTF-8. */
int64_t str_utf8_len(const char *s, size_t n);
/* Length of the UTF-8 sequence that begins at s[0] (n > 0 bytes are there), or 0 when it is none. */
size_t str_utf8_sequence(const char *s, size_t n);
/* Adds text with each byte that is not UTF-8 replaced by U+FFFD. */
void str_add_utf8(struct str *s, const char *text);
/* Lower-case hex of n bytes into out[2n+1]. */
void str_hex(const void *bytes, size_t n, char *out);
size_t str_copy(char *dst, size_t size, const char *src); /* cuts; returns strlen(src) */

#endif
