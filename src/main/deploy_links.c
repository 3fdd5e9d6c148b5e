/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses, paths and heads: what a server before the service does to them. */
#include "main/deploy.h"

#include <string.h>

enum { HEADER_LARGE = 16000 };

bool deploy_answers(struct deploy *d)
{
    CLEANUP(probe_answer_done) struct probe_answer answer = { .body = STR_INIT };
    const char *server;

    if (!deploy_ask(d, "GET", "/versions", "", NULL, &answer))
        return false;
    server = headers_get(&answer.headers, "Server");
    d->server = server ? arena_str(d->arena, server) : "";
    if (answer.status != 200 || !strstr(str_text(&answer.body), "\"versions\""))
        return deploy_seen(d, "GET %s/versions is %d%s and no list of versions", d->place.url, answer.status,
                           deploy_by(&answer));
    return true;
}

bool deploy_links(struct deploy *d)
{
    CLEANUP(probe_answer_done) struct probe_answer answer = { .body = STR_INIT };
    const char *want = arena_printf(d->arena, "\"%s/v2/\"", d->place.url), *href;

    if (!deploy_ask(d, "GET", "/", "", NULL, &answer))
        return false;
    if (strstr(str_text(&answer.body), want))
        return true;
    href = strstr(str_text(&answer.body), "\"href\"");
    return deploy_seen(d, "the versions' links do not begin with %s: %.80s", d->place.url,
                       href ? href : "none");
}

bool deploy_spoofing(struct deploy *d)
{
    CLEANUP(probe_answer_done) struct probe_answer answer = { .body = STR_INIT };

    if (!deploy_ask(d, "GET", "/",
                    "X-Forwarded-Host: check-deploy.invalid\r\n"
                    "X-Forwarded-Prefix: /check-deploy-invalid\r\n"
                    "Forwarded: host=check-deploy.invalid\r\n",
                    NULL, &answer))
        return false;
    return !strstr(str_text(&answer.body), "check-deploy") ||
           deploy_seen(d, "links name the host or the prefix that a client put into X-Forwarded-Host, "
                          "X-Forwarded-Prefix or Forwarded");
}

/* public_endpoint makes the versions' links right; other answers still name what the server was asked for. */
bool deploy_real_links(struct deploy *d)
{
    const char *want = arena_printf(d->arena, "%s/v2/images/", d->place.url);

    return !d->location || !*d->location || str_starts(d->location, want) ||
           deploy_seen(d, "the Location of a new image does not begin with %s: %.120s", want, d->location);
}

static bool take_headers(struct deploy *d, unsigned n, unsigned size)
{
    CLEANUP(probe_answer_done) struct probe_answer answer = { .body = STR_INIT };
    CLEANUP(str_done) struct str fields = STR_INIT;

    for (unsigned i = 0; i < n; i++) {
        str_addf(&fields, "X-Check-Deploy-%u: ", i);
        for (unsigned k = 0; k < size; k++)
            str_addc(&fields, 'x');
        str_add(&fields, "\r\n");
    }
    return deploy_ask(d, "GET", "/versions", str_text(&fields), NULL, &answer)
               ? answer.status == 200 ||
                     deploy_seen(d, "%u header%s of %u bytes, as tokens and catalogs can be, give%s %d", n,
                                 n > 1 ? "s" : "", size, n > 1 ? "" : "s", answer.status)
               : deploy_seen(d, "%u header%s of %u bytes: %s", n, n > 1 ? "s" : "", size,
                             arena_str(d->arena, str_text(&d->why)));
}

bool deploy_large_header(struct deploy *d)
{
    return take_headers(d, 4, HEADER_LARGE / 4) && take_headers(d, 1, HEADER_LARGE);
}

bool deploy_encoded_path(struct deploy *d)
{
    CLEANUP(probe_answer_done) struct probe_answer tag = { .body = STR_INIT };
    CLEANUP(probe_answer_done) struct probe_answer image = { .body = STR_INIT };
    CLEANUP(probe_answer_done) struct probe_answer schema = { .body = STR_INIT };

    if (!deploy_ask(d, "PUT", deploy_path(d, d->image, "/tags/a%20b%2Bc%25"), "", "", &tag))
        return false;
    if (tag.status != 204)
        return deploy_seen(d, "a tag named 'a b+c%%' is answered %d%s", tag.status, deploy_by(&tag));
    if (!deploy_ask(d, "GET", deploy_path(d, d->image, ""), "", NULL, &image))
        return false;
    if (!strstr(str_text(&image.body), "\"a b+c%\""))
        return deploy_seen(d, "a tag named 'a b+c%%' became another one");
    if (!deploy_ask(d, "GET", "/v2/schemas%2Fimage", "", NULL, &schema))
        return false;
    return schema.status == 200 ||
           deploy_seen(d, "a path with %%2F is answered %d%s", schema.status, deploy_by(&schema));
}

bool deploy_keep_alive(struct deploy *d)
{
    CLEANUP(probe_close) struct probe *p = NULL;
    struct error e;

    if (probe_open(&d->place, &p, &e) < 0)
        return deploy_seen(d, "%s", e.message);
    for (unsigned i = 0; i < 5; i++) {
        CLEANUP(probe_answer_done) struct probe_answer answer = { .body = STR_INIT };

        if (probe_head(p, "GET", "/versions", "", &e) < 0 ||
            probe_answer(p, d->arena, "GET", false, &answer, &e) < 0)
            return deploy_seen(d, "request %u on one connection: %s", i + 1, e.message);
        if (answer.closes)
            return deploy_seen(d, "connections are closed after each answer");
    }
    return true;
}
