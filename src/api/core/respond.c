/* SPDX-License-Identifier: Apache-2.0 */
#include "api/core/respond.h"

#include "api/core/cors.h"

int respond_head(struct request *rq, int status, int64_t length)
{
    if (rq->in_pipeline && rq->settings->cors)
        cors_decorate(rq);
    headers_add(rq->arena, &rq->headers, "x-openstack-request-id", rq->request_id);
    if (status == 503 && rq->in_pipeline) /* a health check that is switched off is no shortage */
        headers_addf(rq->arena, &rq->headers, "Retry-After", "%d", HTTP_RETRY_AFTER);
    return http_head(rq->http, status, &rq->headers, length);
}

int respond_text(struct request *rq, int status, const char *type, const char *body, size_t n)
{
    headers_add(rq->arena, &rq->headers, "Content-Type", type);
    if (respond_head(rq, status, (int64_t)n) == 0 && http_write(rq->http, body, n) < 0)
        log_debug("%s: the client went away during the answer", rq->request_id);
    return 0;
}

int respond_json(struct request *rq, int status, const struct str *body)
{
    return respond_text(rq, status, "application/json", str_text(body), body->len);
}

int respond_empty(struct request *rq, int status, const char *type)
{
    if (type) {
        headers_add(rq->arena, &rq->headers, "Content-Type", type);
        headers_add(rq->arena, &rq->headers, "Content-Length", "0");
    }
    if (respond_head(rq, status, 0) < 0)
        log_debug("%s: the client went away before the answer", rq->request_id);
    return 0;
}
