/* SPDX-License-Identifier: Apache-2.0 */
/* What may stand before the ':' of a check instead of a credential: a literal as Python writes them. Texts,
 * whole numbers, fractions, True, False and None; collections match no attribute and are no literal here. */
#include "auth/policy_private.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add_utf8(struct str *out, unsigned long c)
{
    if (c < 0x80) {
        str_addc(out, (char)c);
    } else if (c < 0x800) {
        str_addc(out, (char)(0xC0 | c >> 6));
        str_addc(out, (char)(0x80 | (c & 0x3F)));
    } else {
        str_addc(out, (char)(0xE0 | c >> 12));
        str_addc(out, (char)(0x80 | (c >> 6 & 0x3F)));
        str_addc(out, (char)(0x80 | (c & 0x3F)));
    }
}

/* \xhh, \uhhhh, \ooo; NULL: malformed. A zero cannot stand in our texts. */
static const char *escape_number(const char *p, struct str *out)
{
    size_t want = *p == 'x' ? 2 : 4, n;
    char digits[5] = "";
    unsigned long c;

    if (*p == 'x' || *p == 'u') {
        n = strspn(p + 1, "0123456789abcdefABCDEF");
        if (n < want)
            return NULL;
        memcpy(digits, p + 1, want);
        c = strtoul(digits, NULL, 16);
        p += 1 + want;
    } else {
        n = strspn(p, "01234567");
        memcpy(digits, p, n > 3 ? 3 : n);
        c = strtoul(digits, NULL, 8);
        p += n > 3 ? 3 : n;
    }
    if (c == 0 || (c >= 0xD800 && c < 0xE000))
        return NULL;
    add_utf8(out, c);
    return p;
}

static const char *escape_read(const char *p, struct str *out)
{
    static const char from[] = "\\'\"abfnrtv", to[] = "\\'\"\a\b\f\n\r\t\v";
    const char *at = *p ? strchr(from, *p) : NULL;

    if (!*p)
        return NULL;
    if (at) {
        str_addc(out, to[at - from]);
        return p + 1;
    }
    if (*p == 'x' || *p == 'u' || (*p >= '0' && *p <= '7'))
        return escape_number(p, out);
    str_addc(out, '\\');
    str_addc(out, *p);
    return p + 1;
}

/* 'text' or "text", or several of them in a row. */
static bool text_parse(const char *p, struct str *out)
{
    while (*p) {
        char quote = *p++;

        if (quote != '\'' && quote != '"')
            return false;
        while (*p && *p != quote) {
            if (*p == '\\') {
                p = escape_read(p + 1, out);
                if (!p)
                    return false;
            } else {
                str_addc(out, *p++);
            }
        }
        if (*p++ != quote)
            return false;
    }
    return true;
}

/* The shortest digits that read back as the same number, in Python's choice of forms. */
static void add_real(struct str *out, double value)
{
    char digits[40];
    int precision = 0, exponent;

    if (isinf(value)) {
        str_add(out, "inf");
        return;
    }
    do
        snprintf(digits, sizeof digits, "%.*e", precision, value);
    while (strtod(digits, NULL) != value && precision++ < 17);
    exponent = (int)strtol(strchr(digits, 'e') + 1, NULL, 10);
    if (exponent < -4 || exponent >= 16)
        str_add(out, digits);
    else
        str_addf(out, "%.*f", precision > exponent ? precision - exponent : 1, value);
}

/* Digits of a base, with single '_' between them. */
static bool digits_read(const char *p, const char *allowed, struct str *out)
{
    bool digit = false;

    for (; *p; p++) {
        if (*p == '_' ? !digit || !p[1] : !strchr(allowed, *p))
            return false;
        digit = *p != '_';
        if (digit)
            str_addc(out, *p);
    }
    return digit;
}

static bool number_parse(const char *p, struct str *out)
{
    static const struct {
        const char *prefix, *digits;
        int base;
    } bases[] = { { "0x", "0123456789abcdefABCDEF", 16 }, { "0o", "01234567", 8 }, { "0b", "01", 2 } };
    CLEANUP(str_done) struct str digits = STR_INIT;
    const char *sign = *p == '-' ? "-" : "", *text;
    char *end;

    p += *p == '-' || *p == '+';
    for (size_t i = 0; i < COUNT(bases); i++)
        if (p[0] == '0' && (p[1] | 0x20) == bases[i].prefix[1]) {
            if (!digits_read(p + 2 + (p[2] == '_'), bases[i].digits, &digits) || digits.len > 15)
                return false;
            str_addf(out, "%s%llu", sign, strtoull(str_text(&digits), NULL, bases[i].base));
            return true;
        }
    if (digits_read(p, "0123456789", &digits)) {
        text = str_text(&digits);
        text += strspn(text, "0");
        if (*text && *str_text(&digits) == '0')
            return false; /* a leading zero */
        str_addf(out, "%s%s", *text ? sign : "", *text ? text : "0");
        return true;
    }
    if (!*p || p[strspn(p, "0123456789.eE+-")] || (*p != '.' && (*p < '0' || *p > '9')))
        return false;
    str_add(out, sign);
    add_real(out, strtod(p, &end));
    return *end == '\0';
}

const char *literal_parse(struct arena *a, const char *text)
{
    CLEANUP(str_done) struct str out = STR_INIT;

    if (str_eq(text, "True") || str_eq(text, "False") || str_eq(text, "None"))
        return arena_str(a, text);
    if (!*text || (*text != '\'' && *text != '"' ? !number_parse(text, &out) : !text_parse(text, &out)))
        return NULL;
    return arena_str(a, str_text(&out));
}
