/* SPDX-License-Identifier: Apache-2.0 */
/* Which version a path or an Accept header means, and the versions document (Glance 33). */
#include "api/core/before.h"

#include <string.h>

#include "api/core/respond.h"
#include "store/store.h"

enum { ALWAYS, CACHE_ON, CACHE_OFF, MULTI_ON, MULTI_OFF };

/* In the document's order. A version whose condition does not hold is neither listed nor, but for 2.15, 2.9
 * and 2.17, accepted. */
/* clang-format off */
static const struct {
    const char *id;
    int         when;
    bool        current;
} versions[] = {
    { "v2.18", CACHE_ON, true },  { "v2.17", CACHE_ON, false },  { "v2.16", CACHE_ON, false }, { "v2.15", CACHE_ON, false },
    { "v2.14", CACHE_ON, false }, { "v2.15", CACHE_OFF, false }, { "v2.13", MULTI_ON, false }, { "v2.12", MULTI_ON, false },
    { "v2.11", MULTI_ON, false }, { "v2.10", MULTI_ON, false },  { "v2.9", MULTI_ON, false },  { "v2.8", MULTI_ON, false },
    { "v2.9", MULTI_OFF, false }, { "v2.17", CACHE_OFF, true },  { "v2.7", ALWAYS, false },    { "v2.6", ALWAYS, false },
    { "v2.5", ALWAYS, false },    { "v2.4", ALWAYS, false },     { "v2.3", ALWAYS, false },    { "v2.2", ALWAYS, false },
    { "v2.1", ALWAYS, false },    { "v2.0", ALWAYS, false },
};
/* clang-format on */

/* The stores that there are count: they change with a restart, settings before. */
static bool holds(const struct request *rq, int when)
{
    bool cache = rq->settings->cache_on, several = stores_several(rq->api->stores);

    return when == ALWAYS || (when == CACHE_ON && cache) || (when == CACHE_OFF && !cache) ||
           (when == MULTI_ON && several) || (when == MULTI_OFF && !several);
}

static bool accepted(const struct request *rq, const char *version, size_t n)
{
    if (n == 2 && memcmp(version, "v2", 2) == 0)
        return true;
    for (size_t i = 0; i < COUNT(versions); i++)
        if (strlen(versions[i].id) == n && memcmp(versions[i].id, version, n) == 0 &&
            holds(rq, versions[i].when))
            return true;
    return false;
}

static void versions_document(struct request *rq, int status)
{
    CLEANUP(str_done) struct str body = STR_INIT;
    const struct settings *s = rq->settings;
    const char *base = s->public_endpoint ? s->public_endpoint : request_base(rq);
    const char *between = "";

    str_add(&body, "{\"versions\": [");
    for (size_t i = 0; i < COUNT(versions); i++) {
        if (!holds(rq, versions[i].when))
            continue;
        str_addf(&body,
                 "%s{\"id\": \"%s\", \"status\": \"%s\", \"links\": [{\"rel\": \"self\", \"href\": ", between,
                 versions[i].id, versions[i].current ? "CURRENT" : "SUPPORTED");
        json_add_text(&body, arena_printf(rq->arena, "%s/v2/", base), true);
        str_add(&body, "}]}");
        between = ", ";
    }
    str_add(&body, "]}");
    respond_json(rq, status, &body);
}

/* What follows the version segment, as a path: slashes in a row count as one there (webob's path_info_pop).
 */
static const char *below_version(struct request *rq, const char *rest)
{
    if (!*rest)
        return "/v2";
    return arena_printf(rq->arena, "/v2%s", rest + strspn(rest, "/") - 1);
}

static const char *first_segment(const struct request *rq, size_t *ret_len)
{
    const char *segment = rq->http->path + strspn(rq->http->path, "/");

    *ret_len = strcspn(segment, "/");
    return segment;
}

bool versions_asked(const struct request *rq)
{
    size_t n;
    const char *segment = first_segment(rq, &n);

    return n == 8 && memcmp(segment, "versions", 8) == 0;
}

/* Sets rq->path to the path below /v2, or answers with the versions document. */
bool versions_answer(struct request *rq)
{
    static const char vendor[] = "application/vnd.openstack.images-";
    const char *accept = http_header(rq->http, "Accept"), *segment;
    size_t n;

    segment = first_segment(rq, &n);
    if (versions_asked(rq)) {
        versions_document(rq, 200);
        return true;
    }
    if (accept && str_starts(accept, vendor)) {
        const char *version = accept + sizeof vendor - 1;

        if (accepted(rq, version, strlen(version))) {
            rq->path = arena_printf(rq->arena, "/v2%s", rq->http->path);
            return false;
        }
    } else if (accepted(rq, segment, n)) {
        rq->path = below_version(rq, segment + n);
        return false;
    }
    versions_document(rq, 300);
    return true;
}
