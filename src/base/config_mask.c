/* SPDX-License-Identifier: Apache-2.0 */
/* Passwords inside values. Deployment tools write them unescaped, with any character, and several hosts in
 * one URL; so where a password could go on, it does: too much is hidden rather than a part shown. */
#include "base/config_private.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define MASK "****"

static bool is_scheme(char c)
{
    return isalnum((unsigned char)c) || c == '+' || c == '.' || c == '-';
}

/* Where the next URL of a list begins: a scheme after a comma or a blank. */
static const char *next_url(const char *text)
{
    for (const char *mark = strstr(text, "://"); mark; mark = strstr(mark + 1, "://")) {
        const char *begin = mark;

        while (begin > text && is_scheme(begin[-1]))
            begin--;
        if (begin > text && begin < mark && (begin[-1] == ',' || isspace((unsigned char)begin[-1])))
            return begin;
    }
    return NULL;
}

/* user:password@host, with or without scheme:// before it, up to the last at sign. With http a user alone is
 * likely a token. */
static void add_url(const char *text, size_t n, struct str *out)
{
    const char *mark = memmem(text, n, "://", 3), *end = text + n;
    const char *user = mark ? mark + 3 : text;
    const char *at = memrchr(user, '@', (size_t)(end - user));
    const char *colon = at ? memchr(user, ':', (size_t)(at - user)) : NULL;

    if (at && !colon && mark && strncasecmp(text, "http", 4) == 0)
        colon = user - 1;
    if (!colon) {
        str_addn(out, text, n);
        return;
    }
    str_addn(out, text, (size_t)(colon + 1 - text));
    str_add(out, MASK);
    str_addn(out, at, (size_t)(end - at));
}

static bool is_secret_name(const char *name, size_t n)
{
    static const char *const words[] = { "pass", "pwd", "secret", "token", "key", "credential", "signature" };

    for (size_t i = 0; i < COUNT(words); i++)
        for (size_t at = 0; at + strlen(words[i]) <= n; at++)
            if (strncasecmp(name + at, words[i], strlen(words[i])) == 0)
                return true;
    return false;
}

/* name=value, as in the query of a URL. */
static void add_named(const char *text, struct str *out)
{
    const char *equal;

    while ((equal = strchr(text, '=')) != NULL) {
        const char *name = equal;

        while (name > text && (is_scheme(name[-1]) || name[-1] == '_'))
            name--;
        str_addn(out, text, (size_t)(equal + 1 - text));
        text = equal + 1;
        if (!is_secret_name(name, (size_t)(equal - name)))
            continue;
        str_add(out, MASK);
        text = strchrnul(text, '&');
    }
    str_add(out, text);
}

void config_mask(const char *text, struct str *out)
{
    CLEANUP(str_done) struct str urls = STR_INIT;

    for (const char *next; text; text = next) {
        next = next_url(text);
        add_url(text, next ? (size_t)(next - text) : strlen(text), &urls);
    }
    add_named(str_text(&urls), out);
}
