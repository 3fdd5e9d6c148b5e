/* SPDX-License-Identifier: Apache-2.0 */
/* What only the host can do that has an image's data: it is asked in the caller's name, and its answer is
 * given on (Glance 33 api/v2/images.py).
 *
 * What is passed on bears a mark and is never passed on again, so that hosts which name each other cannot go
 * on for ever. A deletion is also possible here, whoever has the data: where the other host does not answer,
 * what it has staged is left to its own worker, which clears up what has no image. */
#include "api/core/elsewhere.h"

#include "fetch/fetch.h"

#define MARK "X-Glint-Passed-On"

enum { CONNECT_MS = 10 * 1000, ANSWER_MS = 60 * 1000, ID_MAX = 200 };

static struct metric passed_on = { .name = "glint_requests_passed_on_total",
                                   .help = "Requests about images that another host has staged.",
                                   .type = METRIC_COUNTER,
                                   .labels = { "method", "result" } };

static void count(const struct request *rq, const char *result)
{
    metric_add(metric_series(&passed_on, rq->http->method, result, NULL), 1);
}

static bool is_deletion(const struct request *rq)
{
    return str_eq(rq->http->method, "DELETE");
}

/* ---- what is asked ---- */

/* The service may be mounted below a path, which the host's URL may have or leave to be added. */
static const char *url_of(struct request *rq, const char *host, const struct image *im)
{
    CLEANUP(str_done) struct str url = STR_INIT;
    const char *mount = rq->http->prefix;

    str_add(&url, host);
    while (str_ends(str_text(&url), "/"))
        url.data[--url.len] = '\0';
    if (!str_ends(str_text(&url), mount))
        str_add(&url, mount);
    str_add(&url, "/v2/images/");
    http_quote_path(&url, im->id);
    str_add(&url, is_deletion(rq) ? "" : "/import");
    return arena_str(rq->arena, str_text(&url));
}

/* The other host has the same limit, and what was given without "req-" has grown here. */
static bool id_fits(const struct request *rq)
{
    int64_t max = rq->settings->max_request_id;

    return max <= 0 || (int64_t)strlen(rq->request_id) <= max;
}

static const char *const *headers_of(struct request *rq)
{
    const char *own = *rq->settings->hosts.name ? rq->settings->hosts.name : rq->settings->hosts.self;
    static const char *const kept[] = { "x-image-meta-store", "If-Match", "If-None-Match",
                                        "If-Modified-Since", "If-Unmodified-Since" };
    const char *const *who = identity_headers(rq->http, rq->settings->identity == IDENTITY_TRUSTED_HEADERS);
    const char **all = NULL;
    size_t n = 0, cap = 0;

    for (; *who; who++)
        *ARENA_PUSH(rq->arena, all, n, cap) = *who;
    for (size_t i = 0; i < COUNT(kept); i++)
        if (http_header(rq->http, kept[i]))
            *ARENA_PUSH(rq->arena, all, n, cap) =
                arena_printf(rq->arena, "%s: %s", kept[i], http_header(rq->http, kept[i]));
    if (rq->body)
        *ARENA_PUSH(rq->arena, all, n, cap) = "Content-Type: application/json";
    *ARENA_PUSH(rq->arena, all, n, cap) = "Accept: application/json";
    if (id_fits(rq))
        *ARENA_PUSH(rq->arena, all, n, cap) =
            arena_printf(rq->arena, "x-openstack-request-id: %s", rq->request_id);
    *ARENA_PUSH(rq->arena, all, n, cap) =
        arena_printf(rq->arena, MARK ": %s", *own ? own : "a host without a name");
    *ARENA_PUSH(rq->arena, all, n, cap) = NULL;
    return all;
}

static int ask(struct request *rq, const char *host, const struct image *im, struct fetch_answer *ret,
               struct error *e)
{
    CLEANUP(str_done) struct str body = STR_INIT;
    struct fetch_question q = { .method = rq->http->method,
                                .ca_file = rq->settings->hosts.ca_file,
                                .connect_ms = CONNECT_MS,
                                .timeout_ms = ANSWER_MS };

    if (hosts_peer_check(&rq->settings->hosts, host, e) < 0)
        return -1;
    if (rq->body) {
        json_add_value(&body, rq->body, true);
        q.body = str_text(&body);
        q.size = body.len;
    }
    q.url = url_of(rq, host, im);
    q.headers = headers_of(rq);
    request_db_release(rq);
    return fetch_ask(rq->arena, &q, ret, e);
}

/* ---- what is answered ---- */

/* The caller finds what was done under this id in the other host's log. */
static void adopt_id(struct request *rq, const struct fetch_answer *answer)
{
    const char *id = fetch_answer_header(answer, "x-openstack-request-id");
    size_t n = id ? strlen(id) : 0;

    if (n > 0 && n <= ID_MAX && http_span(id, id + n, HTTP_TOKEN) == n)
        rq->request_id = id;
}

/* Its own words: in the body, as the service writes its failures in JSON (fault.c), which is an explanation,
 * a mark and more detail; else the status line's. */
static const char *words_of(struct request *rq, const struct fetch_answer *answer, bool *ret_in_detail)
{
    static const char mark[] = "<br /><br />";
    json_t *body = json_parse(answer->body, answer->size);
    const char *text = arena_str(rq->arena, json_string_value(json_object_get(body, "message")));
    const char *end = text ? strstr(text, mark) : NULL, *detail = end ? end + strlen(mark) : "";

    json_decref(body);
    detail += strspn(detail, " \n");
    *ret_in_detail = *detail != '\0';
    if (*ret_in_detail)
        return arena_strn(rq->arena, detail, strcspn(detail, "\n"));
    if (text)
        return end ? arena_strn(rq->arena, text, (size_t)(end - text)) : text;
    return str_eq(answer->reason, http_phrase((int)answer->status)) ? "" : answer->reason;
}

static int refused(struct request *rq, const struct fetch_answer *answer, struct error *e)
{
    bool in_detail;
    const char *words = words_of(rq, answer, &in_detail);

    error_set(e, answer->status >= 500 ? ERROR_UNAVAILABLE : ERROR_CONFLICT, "%s", "");
    e->in_detail = in_detail;
    return error_as(e, (uint16_t)answer->status, "%s", words);
}

/* An import ends here; a deletion goes on without the other host. */
static int unavailable(struct request *rq, const char *host, const struct image *im, struct error *e)
{
    bool silent = e->kind == ERROR_UNAVAILABLE;

    log_warning("%s: %s of image %s cannot be passed on to %s: %s (%s)", rq->request_id, rq->http->method,
                im->id, host, e->message, e->detail);
    if (is_deletion(rq)) {
        count(rq, "done here");
        return 0;
    }
    count(rq, "failed");
    e->kind = ERROR_UNAVAILABLE;
    return error_as(e, silent ? 504 : 502, "Stage host is unavailable");
}

/* Whether a gateway answered for a host that is not there. */
static bool is_gateways(unsigned status)
{
    return status >= 502 && status <= 504;
}

static int judge(struct request *rq, const char *host, const struct image *im,
                 const struct fetch_answer *answer, bool *ret_done, struct error *e)
{
    bool refuses = answer->status >= 400 && answer->status <= 599;

    if (answer->status / 100 == 2 || (refuses && !(is_deletion(rq) && is_gateways(answer->status)))) {
        log_info("%s: passed on to %s, which answers %u", rq->request_id, host, answer->status);
        adopt_id(rq, answer);
        count(rq, refuses ? "refused" : "done");
        *ret_done = !refuses;
        return refuses ? refused(rq, answer, e) : 0;
    }
    error_set(e, ERROR_INVALID, "its answer is %u %s", answer->status, answer->reason);
    return unavailable(rq, host, im, e);
}

int request_elsewhere(struct request *rq, const struct image *im, bool *ret_done, struct error *e)
{
    const char *host = hosts_elsewhere(&rq->settings->hosts, im), *from;
    struct fetch_answer answer;

    *ret_done = false;
    if (!host)
        return 0;
    from = http_header(rq->http, MARK);
    if (from) {
        error_set(e, ERROR_INVALID,
                  "%s passed it on to this host, which is another one by its "
                  "worker_self_reference_url",
                  from);
        return unavailable(rq, host, im, e);
    }
    if (ask(rq, host, im, &answer, e) < 0)
        return unavailable(rq, host, im, e);
    return judge(rq, host, im, &answer, ret_done, e);
}
