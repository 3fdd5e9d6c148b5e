/* SPDX-License-Identifier: Apache-2.0 */
/* Whose request it is, before anything is known but its head: front ends divide their threads by it. */
#include "api/core/before.h"

#include <arpa/inet.h>
#include <string.h>

enum { ADDRESS_MAX = 64 };

/* An address, maybe in quotes, in brackets and with a port. Of IPv6 the network counts: one client has as
 * many addresses of it as it likes. */
static uint64_t address_hash(const char *from, size_t n)
{
    char text[ADDRESS_MAX], *at = text, *end;
    struct in6_addr v6;

    if (n >= sizeof text)
        return http_hash(from, n);
    memcpy(text, from, n);
    text[n] = '\0';
    at += strspn(at, " \t\"[");
    end = at + strcspn(at, " \t\"]");
    *end = '\0';
    end = strchr(at, ':');
    if (end && !strchr(end + 1, ':'))
        *end = '\0'; /* a port */
    if (inet_pton(AF_INET6, at, &v6) == 1)
        return http_hash(&v6, sizeof v6 / 2);
    return *at ? http_hash(at, strlen(at)) : 0;
}

/* Of the list's last item: what the trusted proxy itself has added, after what the client made up. */
static const char *last_item(const char *list)
{
    const char *comma = strrchr(list, ',');

    return comma ? comma + 1 : list;
}

static uint64_t of_forwarded(const char *header)
{
    for (const char *pair = last_item(header); *pair; pair += strcspn(pair, ";"), pair += *pair == ';') {
        const char *name = pair + strspn(pair, " \t");

        if (strncasecmp(name, "for=", strlen("for=")) == 0)
            return address_hash(name + strlen("for="), strcspn(name + strlen("for="), ";"));
    }
    return 0;
}

uint64_t request_holder(const struct settings *s, struct http_request *http)
{
    const char *text;

    if (s->identity == IDENTITY_TRUSTED_HEADERS &&
        str_eq(http_header(http, "X-Identity-Status"), "Confirmed")) {
        text = http_header(http, "X-Project-Id");
        if (text && *text)
            return http_hash(text, strlen(text));
    }
    if (!s->proxy_headers)
        return 0;
    text = http_header(http, "Forwarded");
    if (text && *text)
        return of_forwarded(text);
    text = http_header(http, "X-Forwarded-For");
    return text ? address_hash(last_item(text), strlen(last_item(text))) : 0;
}
