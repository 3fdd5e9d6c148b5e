/* SPDX-License-Identifier: Apache-2.0 */
/* PUT /v2/images/{image_id}/file, and what it has in common with PUT …/stage. The order of the checks decides
 * which error wins; it is Glance 33's (api/v2/image_data.py and the wire). */
#include "api/data/data.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/core/access.h"
#include "api/core/conditional.h"
#include "api/core/places.h"
#include "api/core/respond.h"
#include "db/db.h"
#include "store/store.h"
#include "transfer/commit.h"
#include "transfer/upload.h"

int upload_type_check(struct request *rq, struct error *e)
{
    const char *header = http_header(rq->http, "Content-Type");
    char type[128] = "";

    http_media_type(header, type, sizeof type);
    if (str_eq(type, "application/octet-stream"))
        return 0;
    return error_in_detail(e, ERROR_MEDIA, "Invalid content type %s", header ? type : "None");
}

/* x-openstack-image-size wins over Content-Length; 0 and absent both mean unknown to Glance's stores. */
int upload_size_read(struct request *rq, int64_t *ret, struct error *e)
{
    const char *text = http_header(rq->http, "x-openstack-image-size");
    char *end;
    long long n;

    *ret = rq->http->content_length > 0 ? rq->http->content_length : -1;
    if (!text)
        return 0;
    errno = 0;
    n = strtoll(text, &end, 10);
    if (end == text || end[strspn(end, " \t")] || n < 0 || errno == ERANGE)
        return error_set(e, ERROR_INVALID, "Invalid or missing image size in request headers.");
    *ret = n > 0 ? n : -1;
    return 0;
}

static int status_check(const struct image *im, struct error *e)
{
    return image_status_check(im->status, IMAGE_SAVING, e) < 0 ? -1 : image_formats_check(im, e);
}

/* The quota is the caller's project's, whoever owns the image. */
int upload_quota_read(struct request *rq, const struct image *im, struct upload_options *o, struct error *e)
{
    struct db_conn *c;

    o->storage_quota = rq->settings->storage_quota;
    o->project = rq->identity.project;
    return request_db(rq, &c, e) < 0 ? -1 : upload_quota_check(c, o, im->id, e);
}

struct body {
    struct http_request *http;
    const char *too_large;
};

static ssize_t body_read(void *arg, void *buf, size_t n, struct error *e)
{
    const struct body *b = arg;
    ssize_t got = http_read(b->http, buf, n);

    if (got < 0 && b->http->body_over)
        return error_set(e, ERROR_TOO_LARGE, "%s", b->too_large);
    if (got < 0)
        return error_set(e, ERROR_ABORTED, "The request body could not be read to its end.");
    return got;
}

/* Glance puts what it says of the media type into the detail. */
static int media_in_detail(struct error *e)
{
    e->in_detail = e->kind == ERROR_MEDIA;
    return -1;
}

int upload_body(struct request *rq, struct upload **up, struct error *e)
{
    struct body b = { .http = rq->http };
    const struct stream_source body = { body_read, &b };
    uint64_t room = upload_room(*up, &b.too_large);

    if (!http_header(rq->http, "x-openstack-image-size")) { /* else that size refuses it first */
        rq->http->body_max = room;
        if (rq->http->content_length > 0 && (uint64_t)rq->http->content_length > room)
            return error_set(e, ERROR_TOO_LARGE, "%s", b.too_large);
    }
    if (upload_pump(*up, &body, e) < 0 || upload_commit(up, e) < 0)
        return media_in_detail(e);
    return respond_empty(rq, 204, "text/html; charset=UTF-8");
}

static int upload_allowed(struct request *rq, const struct image *im, struct error *e)
{
    if (request_allowed(rq, rq->route->rule, im, e) < 0)
        return -1;
    if (request_owns(rq, rq->route->rule, im, e) < 0)
        return error_set(e, ERROR_FORBIDDEN, "Not allowed to upload image data for image %s", im->id);
    return 0;
}

static int upload_prepare(struct request *rq, struct image **ret_image, struct upload_options *o,
                          struct error *e)
{
    struct image *im;

    if (upload_type_check(rq, e) < 0 || store_asked_for(rq, &o->store, e) < 0 ||
        upload_size_read(rq, &o->declared_size, e) < 0)
        return -1;
    if (request_writes(rq, e) < 0 || request_image(rq, &im, e) < 0 || upload_allowed(rq, im, e) < 0 ||
        status_check(im, e) < 0)
        return -1;
    if (request_conditions_on_nothing(rq, e) < 0) /* it is queued: there is no data yet */
        return -1;
    o->db = rq->api->db;
    o->metadata = location_metadata_of(rq, o->store);
    o->hashing_algorithm = rq->settings->hashing_algorithm;
    o->size_cap = rq->settings->size_cap;
    o->inspect = str_eq(im->container_format, "bare");
    o->inspect_policy = rq->settings->inspect;
    *ret_image = im;
    return upload_quota_read(rq, im, o, e);
}

int image_upload(struct request *rq, struct error *e)
{
    CLEANUP(upload_abort) struct upload *up = NULL; /* leaving early: data gone, back to queued */
    struct upload_options o = { 0 };
    struct image *im = NULL;

    if (upload_prepare(rq, &im, &o, e) < 0)
        return -1;
    request_db_release(rq); /* a connection is not held while bytes move */
    return upload_begin(rq->arena, im, &o, &up, e) < 0 ? -1 : upload_body(rq, &up, e);
}
