/* SPDX-License-Identifier: Apache-2.0 */
/* URLs and their one spelling: it is its own spelling, names the same host, port and user, and equal
 * spellings of a path stay equal. */
#include <stdlib.h>
#include <string.h>

#include "http/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool ok)
{
    if (!ok)
        abort();
}

static unsigned port_of(const struct http_url *u)
{
    return u->port_told ? u->port : str_eq(u->scheme, "https") ? 443 : 80;
}

static void same_server(struct arena *a, const char *url, const char *canonical)
{
    struct http_url before, after;

    check(http_url_split(a, url, &before) && http_url_split(a, canonical, &after));
    check(str_eq(before.scheme, after.scheme) && str_eq(before.host, after.host));
    check(before.user_told == after.user_told && str_eq(before.user, after.user));
    check(port_of(&before) == port_of(&after));
}

/* The same URL with one more dot segment in front of its path, in each spelling. */
static void equal_paths(struct arena *a, const char *url, const char *canonical)
{
    static const char *const dots[] = { "/.", "/%2e", "/a/..", "/%61/%2E%2e" };
    struct http_url u;
    size_t at;

    check(http_url_split(a, canonical, &u));
    if (u.rest[0] != '/')
        return;
    at = strlen(canonical) - strlen(u.rest);
    for (size_t i = 0; i < COUNT(dots); i++) {
        const char *other = arena_printf(a, "%.*s%s%s", (int)at, canonical, dots[i], u.rest);

        check(str_eq(http_url_canonical(a, other), canonical));
    }
    check(str_eq(http_url_canonical(a, arena_printf(a, " \t%s", url)), canonical));
    if (!strchr(url, '#'))
        check(str_eq(http_url_canonical(a, arena_printf(a, "%s#x", url)), canonical));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    CLEANUP(arena_end) struct arena *a = arena_make(4096);
    const char *url = arena_strn(a, (const char *)data, len), *canonical;

    canonical = strlen(url) == len ? http_url_canonical(a, url) : NULL;
    if (!canonical)
        return 0;
    check(str_eq(http_url_canonical(a, canonical), canonical));
    check(!strchr(canonical, '#'));
    same_server(a, url, canonical);
    equal_paths(a, url, canonical);
    return 0;
}
