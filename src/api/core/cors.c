/* SPDX-License-Identifier: Apache-2.0 */
#include "api/core/cors.h"

#include <string.h>

#include "api/core/request.h"

/* What every page may send: oslo.middleware 8.2 cors.py, simple_headers. */
static const char *const simple_headers[] = { "Accept",           "Accept-Language",
                                              "Content-Type",     "Cache-Control",
                                              "Content-Language", "Expires",
                                              "Last-Modified",    "Pragma" };

static size_t copy_list(struct arena *a, const struct filter_view *v, const char *name,
                        const char *const **ret)
{
    const char *const *items, **copy = NULL;
    size_t n = config_list(filter_view(v, name), v->group, name, &items), filled = 0, cap = 0;

    for (size_t i = 0; i < n; i++)
        *ARENA_PUSH(a, copy, filled, cap) = arena_str(a, items[i]);
    *ret = copy;
    return n;
}

int cors_make(struct arena *a, const struct filter *f, const struct config *c, const struct cors **ret,
              struct error *e)
{
    CLEANUP(filter_view_done) struct filter_view v = { 0 };
    struct cors *made = arena_new(a, struct cors);
    const char *const *expose;
    size_t n;

    if (filter_view_open(f, c, "cors", &v, e) < 0)
        return -1;
    made->n_origins = copy_list(a, &v, "allowed_origin", &made->origins);
    made->n_methods = copy_list(a, &v, "allow_methods", &made->methods);
    made->n_headers = copy_list(a, &v, "allow_headers", &made->headers);
    n = copy_list(a, &v, "expose_headers", &expose);
    made->expose = arena_join(a, expose, n);
    made->credentials = config_bool(filter_view(&v, "allow_credentials"), "cors", "allow_credentials");
    made->max_age = config_int(filter_view(&v, "max_age"), "cors", "max_age");
    *ret = made;
    return 0;
}

static bool listed(const char *const *items, size_t n, const char *text)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(items[i], text))
            return true;
    return false;
}

/* The origin as it is to be told to the page, or NULL when it may nothing. */
static const char *origin_of(struct request *rq)
{
    const struct cors *cors = rq->settings->cors;
    const char *origin = http_header(rq->http, "Origin");

    if (!origin)
        return NULL;
    if (listed(cors->origins, cors->n_origins, origin))
        return origin;
    return listed(cors->origins, cors->n_origins, "*") ? "*" : NULL;
}

static bool header_allowed(const struct cors *cors, const char *name)
{
    for (size_t i = 0; i < COUNT(simple_headers); i++)
        if (str_eq_nocase(simple_headers[i], name))
            return true;
    for (size_t i = 0; i < cors->n_headers; i++)
        if (str_eq_nocase(cors->headers[i], name))
            return true;
    return false;
}

/* The names that the page wants to send, joined by commas ("" for none), or NULL when one is not allowed. */
static const char *wanted_headers(struct request *rq)
{
    const char *list = http_header(rq->http, "Access-Control-Request-Headers"), *joined = "";
    const char *blanks = " \t";

    while (list && *list) {
        size_t n = strcspn(list, ",");
        const char *next = list + n + (list[n] == ','), *name;

        while (n > 0 && strchr(blanks, *list)) {
            list++;
            n--;
        }
        while (n > 0 && strchr(blanks, list[n - 1]))
            n--;
        name = arena_strn(rq->arena, list, n);
        list = next;
        if (!*name)
            continue;
        if (!header_allowed(rq->settings->cors, name))
            return NULL;
        joined = arena_printf(rq->arena, "%s%s%s", joined, *joined ? "," : "", name);
    }
    return joined;
}

static void add_origin(struct request *rq, const char *origin, const char *vary)
{
    headers_drop(&rq->headers, "Vary");
    headers_add(rq->arena, &rq->headers, "Vary", vary);
    headers_add(rq->arena, &rq->headers, "Access-Control-Allow-Origin", origin);
    if (rq->settings->cors->credentials)
        headers_add(rq->arena, &rq->headers, "Access-Control-Allow-Credentials", "true");
}

static void decorate_preflight(struct request *rq, const char *origin)
{
    const struct cors *cors = rq->settings->cors;
    const char *method = http_header(rq->http, "Access-Control-Request-Method"), *names;

    if (!method || !listed(cors->methods, cors->n_methods, method))
        return;
    names = wanted_headers(rq);
    if (!names)
        return;
    add_origin(rq, origin, "Origin");
    if (cors->max_age)
        headers_addf(rq->arena, &rq->headers, "Access-Control-Max-Age", "%lld", (long long)cors->max_age);
    headers_add(rq->arena, &rq->headers, "Access-Control-Allow-Methods", method);
    if (*names)
        headers_add(rq->arena, &rq->headers, "Access-Control-Allow-Headers", names);
}

static void decorate_simple(struct request *rq, const char *origin)
{
    const char *vary = headers_get(&rq->headers, "Vary");

    add_origin(rq, origin, vary ? arena_printf(rq->arena, "%s,Origin", vary) : "Origin");
    if (*rq->settings->cors->expose)
        headers_add(rq->arena, &rq->headers, "Access-Control-Expose-Headers", rq->settings->cors->expose);
}

void cors_decorate(struct request *rq)
{
    const char *origin = origin_of(rq);

    if (!origin)
        return;
    if (str_eq(rq->http->method, "OPTIONS"))
        decorate_preflight(rq, origin);
    else
        decorate_simple(rq, origin);
}
