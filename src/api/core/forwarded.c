/* SPDX-License-Identifier: Apache-2.0 */
/* Where the client thinks we are, when a proxy in front is trusted to say so (oslo.middleware's
 * http_proxy_to_wsgi: Forwarded of RFC 7239 first, else the X-Forwarded-* family). */
#include "api/core/before.h"

#include <string.h>

/* scheme://host[:port]/prefix as the client knows it; the scheme's own port is not named. */
const char *request_base(struct request *rq)
{
    const char *port = str_eq(rq->scheme, "https") ? ":443" : ":80";
    size_t n = strlen(rq->host);

    if (str_ends(rq->host, port))
        n -= strlen(port);
    return arena_printf(rq->arena, "%s://%.*s%s", rq->scheme, (int)n, rq->host, rq->prefix);
}

/* Up to the first comma, without blanks around. */
static char *first_item(struct arena *a, const char *list)
{
    size_t n = strcspn(list, ",");

    while (n > 0 && (list[n - 1] == ' ' || list[n - 1] == '\t'))
        n--;
    while (n > 0 && (*list == ' ' || *list == '\t')) {
        list++;
        n--;
    }
    return arena_strn(a, list, n);
}

/* In place. */
static char *strip(char *text)
{
    size_t n;

    text += strspn(text, " \t");
    n = strlen(text);
    while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\t'))
        text[--n] = '\0';
    return text;
}

static char *unquote(char *value)
{
    size_t n = strlen(value);

    if (n >= 2 && value[0] == '"' && value[n - 1] == '"') {
        value[n - 1] = '\0';
        return value + 1;
    }
    return value;
}

static void read_forwarded(struct request *rq, const char *header)
{
    char *next, *pair = first_item(rq->arena, header);

    for (; pair; pair = next) {
        char *eq, *value;

        next = strchr(pair, ';');
        if (next)
            *next++ = '\0';
        eq = strchr(pair, '=');
        if (!eq)
            continue;
        *eq = '\0';
        value = unquote(strip(eq + 1));
        pair = strip(pair);
        if (!*value)
            continue;
        if (str_eq_nocase(pair, "proto"))
            rq->scheme = value;
        else if (str_eq_nocase(pair, "host"))
            rq->host = value;
        else if (str_eq_nocase(pair, "for"))
            rq->http->peer = value;
    }
}

/* The header's first item, or NULL when it says nothing. */
static const char *said(struct request *rq, const char *name)
{
    const char *header = http_header(rq->http, name), *item = header ? first_item(rq->arena, header) : NULL;

    return item && *item ? item : NULL;
}

/* In front of what the front end knows of itself; links add the '/' that follows. */
static void read_prefix(struct request *rq)
{
    const char *prefix = said(rq, "X-Forwarded-Prefix");
    size_t n = prefix ? strlen(prefix) : 0;

    while (n > 0 && prefix[n - 1] == '/')
        n--;
    if (n > 0)
        rq->prefix = arena_printf(rq->arena, "%.*s%s", (int)n, prefix, rq->prefix);
}

void forwarded_read(struct request *rq)
{
    const char *forwarded = http_header(rq->http, "Forwarded");
    const char *proto = said(rq, "X-Forwarded-Proto"), *host = said(rq, "X-Forwarded-Host");
    const char *peer = said(rq, "X-Forwarded-For");

    if (forwarded && *forwarded) {
        read_forwarded(rq, forwarded);
    } else {
        rq->scheme = proto ? proto : rq->scheme;
        rq->host = host ? host : rq->host;
        rq->http->peer = peer ? peer : rq->http->peer;
    }
    read_prefix(rq);
}
