/* SPDX-License-Identifier: Apache-2.0 */
/* Where the client thinks we are, when a proxy in front is trusted to say so (oslo.middleware's
 * http_proxy_to_wsgi: Forwarded of RFC 7239 first, else the X-Forwarded-* family). */
#include "api/request.h"

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
        char *eq;

        next = strchr(pair, ';');
        if (next)
            *next++ = '\0';
        pair += strspn(pair, " \t");
        eq = strchr(pair, '=');
        if (!eq)
            continue;
        *eq = '\0';
        if (str_eq_nocase(pair, "proto"))
            rq->scheme = unquote(eq + 1);
        else if (str_eq_nocase(pair, "host"))
            rq->host = unquote(eq + 1);
        else if (str_eq_nocase(pair, "for"))
            rq->http->peer = unquote(eq + 1);
    }
}

void forwarded_read(struct request *rq)
{
    const char *forwarded = http_header(rq->http, "Forwarded");
    const char *proto = http_header(rq->http, "X-Forwarded-Proto"),
               *host = http_header(rq->http, "X-Forwarded-Host");
    const char *peer = http_header(rq->http, "X-Forwarded-For"),
               *prefix = http_header(rq->http, "X-Forwarded-Prefix");

    if (forwarded) {
        read_forwarded(rq, forwarded);
    } else {
        if (proto)
            rq->scheme = first_item(rq->arena, proto);
        if (host)
            rq->host = first_item(rq->arena, host);
        if (peer)
            rq->http->peer = first_item(rq->arena, peer);
    }
    if (prefix)
        rq->prefix = first_item(rq->arena, prefix);
}
