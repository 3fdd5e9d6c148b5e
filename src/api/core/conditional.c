/* SPDX-License-Identifier: Apache-2.0 */
/* Conditional requests: what tells one version of a resource from another, and what a request may ask of it.
 *
 * The tag of a document is made of its bytes. Nothing less would do: what a caller is shown depends on who
 * that is, on policy and configuration, on rows that bear no time of their own, and the times that others
 * write into the database may be whole seconds. So it is a strong one: equal bytes, equal tag. */
#include "api/core/conditional.h"

#include "api/core/respond.h"
#include "stream/stream.h"

/* Whoever stores such an answer asks again each time, with the caller's own token: who may see an image is
 * decided here, and X-Auth-Token says nothing to a cache. */
static const char ask_each_time[] = "no-cache";

static bool reads(const struct request *rq)
{
    return str_eq(rq->http->method, "GET") || str_eq(rq->http->method, "HEAD");
}

static int failed(enum http_verdict verdict, struct error *e)
{
    switch (verdict) {
    case HTTP_MODIFIED:
        return error_set(
            e, ERROR_PRECONDITION,
            "This was modified after the time that If-Unmodified-Since names. Read it again, and "
            "repeat a change if it still applies.");
    case HTTP_MATCHED:
        return error_set(e, ERROR_PRECONDITION, "There is a version already that If-None-Match excludes.");
    default:
        return error_set(
            e, ERROR_PRECONDITION,
            "If-Match does not name the version that is there now. Read it again, and repeat a change "
            "if it still applies.");
    }
}

void request_validators_add(struct request *rq, const struct http_validators *v)
{
    char when[CLOCK_TEXT_MAX];

    if (v->etag)
        headers_add(rq->arena, &rq->headers, "ETag", v->etag);
    if (v->modified_us > 0)
        headers_add(rq->arena, &rq->headers, "Last-Modified",
                    arena_str(rq->arena, clock_http(v->modified_us, when)));
    headers_add(rq->arena, &rq->headers, "Cache-Control", ask_each_time);
}

void request_version_add(struct request *rq, const char *etag)
{
    if (etag)
        headers_add(rq->arena, &rq->headers, "ETag", etag);
}

bool request_is_conditional(struct request *rq)
{
    struct http_conditions c;

    http_conditions_read(rq->http, &c);
    return http_conditions_given(&c);
}

int request_conditions(struct request *rq, const struct http_validators *v, bool *ret_unchanged,
                       struct error *e)
{
    struct http_conditions c;
    enum http_verdict verdict;

    http_conditions_read(rq->http, &c);
    verdict = http_conditions_judge(&c, reads(rq), v);
    *ret_unchanged = verdict == HTTP_UNCHANGED;
    return verdict == HTTP_HOLDS || verdict == HTTP_UNCHANGED ? 0 : failed(verdict, e);
}

/* A date says nothing more to a cache that has an ETag (RFC 9110 section 15.4.5). */
int respond_unchanged(struct request *rq, const struct http_validators *v)
{
    struct http_validators told = *v;

    if (told.etag)
        told.modified_us = 0;
    request_validators_add(rq, &told);
    return respond_empty(rq, 304, NULL);
}

int request_conditions_on_nothing(struct request *rq, struct error *e)
{
    const struct http_validators nothing = { .exists = false };
    bool unchanged;

    return request_conditions(rq, &nothing, &unchanged, e);
}

/* ---- documents ---- */

const char *document_etag(struct request *rq, const struct str *body)
{
    char sum[STREAM_FINGERPRINT_MAX];

    return stream_fingerprint(str_text(body), body->len, sum) ? arena_printf(rq->arena, "\"%s\"", sum) : NULL;
}

/* A document's date has whole seconds, in which it may have changed twice: good enough for a client that asks
 * by date before it writes, too little for a 304. */
int request_version_conditions(struct request *rq, const char *etag, int64_t modified_us, struct error *e)
{
    struct http_validators v = { .exists = true, .etag = etag, .modified_us = modified_us };
    bool unchanged;

    return request_conditions(rq, &v, &unchanged, e);
}

int request_document_conditions(struct request *rq, const struct str *body, int64_t modified_us,
                                struct error *e)
{
    return request_version_conditions(rq, document_etag(rq, body), modified_us, e);
}

int respond_document(struct request *rq, const struct str *body, struct error *e)
{
    struct http_validators v = { .exists = true, .etag = document_etag(rq, body) };
    bool unchanged;

    if (request_conditions(rq, &v, &unchanged, e) < 0)
        return -1;
    if (unchanged)
        return respond_unchanged(rq, &v);
    request_validators_add(rq, &v);
    return respond_json(rq, 200, body);
}
