/* SPDX-License-Identifier: Apache-2.0 */
/* PUT, GET and HEAD of /v2/images/{image_id}/file. The order of the checks decides which error wins; it is
 * Glance 33's (api/v2/image_data.py and the wire). */
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

/* ---- upload ---- */

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

/* ---- download ---- */

static bool is_alphanumeric(const char *text)
{
    size_t n = text ? strspn(text, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") : 0;

    return n > 0 && !text[n];
}

/* The data of an image does not change but with its locations: when the last of them was written is when it
 * surely was there. Where locations can be replaced that may happen twice in a second. */
static struct http_validators data_validators(struct request *rq, const struct image *im)
{
    struct http_validators v = { .exists = true, .modified_strong = !rq->settings->show_locations };
    const char *hash = is_alphanumeric(im->os_hash_value) ? im->os_hash_value : im->checksum;
    int64_t now = clock_now_us();

    if (is_alphanumeric(hash))
        v.etag = arena_printf(rq->arena, "\"%s\"", hash);
    for (size_t i = 0; i < im->n_locations; i++)
        if (im->locations[i].changed_us > v.modified_us)
            v.modified_us = im->locations[i].changed_us;
    if (v.modified_us > now) /* another machine's clock */
        v.modified_us = now;
    return v;
}

static int range_refuse(struct request *rq, struct error *e, enum http_range_kind kind, const char *header,
                        uint64_t size)
{
    if (kind == RANGE_SEVERAL)
        return error_set(e, ERROR_INVALID,
                         "Requests with multiple ranges are not supported in Glance. You may make multiple "
                         "single-range requests instead.");
    headers_addf(rq->arena, &rq->headers, "Content-Range", "bytes */%llu", (unsigned long long)size);
    if (kind == RANGE_MALFORMED)
        return error_in_detail(e, ERROR_RANGE, "Invalid %s header.", header);
    if (str_eq(header, "Range"))
        return error_in_detail(
            e, ERROR_RANGE,
            "Invalid start position in Range header. Start position MUST be in the inclusive "
            "range [0, %lld].",
            (long long)size - 1);
    return error_in_detail(e, ERROR_RANGE,
                           "Invalid stop position in Content-Range header. The stop position MUST be in the "
                           "inclusive range [0, %lld].",
                           (long long)size - 1);
}

/* The part asked for, RANGE_NONE being all of it. Only of GET is a range a part, and with an If-Range that
 * does not hold it does not count. *ret_header: which header says so. */
static enum http_range_kind range_find(struct request *rq, uint64_t size, const struct http_validators *v,
                                       struct http_range *ret, const char **ret_header)
{
    const char *range = http_header(rq->http, "Range");
    const char *content_range = http_header(rq->http, "Content-Range");
    enum http_range_kind kind;

    if (!str_eq(rq->http->method, "GET") ||
        (range && !http_if_range_holds(http_header(rq->http, "If-Range"), v)))
        range = content_range = NULL;
    *ret_header = "Range";
    *ret = (struct http_range){ 0, size };
    kind = http_range_parse(range, size, ret);
    if (kind != RANGE_NONE)
        return kind;
    *ret_header = "Content-Range";
    return http_content_range_parse(content_range, size, ret);
}

/* An object that is being sent: its bytes go from file to socket by themselves, or through a buffer, whose
 * first filling came before the answer's head, so that an object which cannot be read is noticed in time. */
struct reading {
    struct store_get *get;
    char *buffer; /* NULL: a file */
    size_t filled;
};

static void reading_done(struct reading *r)
{
    store_get_close(&r->get);
    mem_free(TAKE(r->buffer));
}

static int reading_fill(struct reading *r, struct http_range range, struct error *e)
{
    ssize_t got = store_get_read(r->get, range.offset, r->buffer,
                                 range.len < STREAM_BUFFER ? (size_t)range.len : STREAM_BUFFER, e);

    if (got <= 0)
        return got < 0 ? -1 : error_set(e, ERROR_INTERNAL, "The stored data ended early.");
    r->filled = (size_t)got;
    return 0;
}

static int reading_open(struct store *s, const struct image *im, const char *url, struct http_range range,
                        struct reading *ret, struct error *e)
{
    uint64_t size;

    if (store_get_open(s, url, &ret->get, &size, e) < 0)
        return -1;
    if (size != STORE_SIZE_UNKNOWN && size != (uint64_t)im->size) {
        error_set(e, ERROR_INTERNAL, "%s", "");
        return error_detail(e, "its data is %llu bytes where the database says %lld",
                            (unsigned long long)size, (long long)im->size);
    }
    if (store_get_fd(ret->get) >= 0 || range.len == 0)
        return 0;
    ret->buffer = mem_new(STREAM_BUFFER);
    return reading_fill(ret, range, e);
}

static int send_copied(struct request *rq, struct reading *r, struct http_range range, struct error *e)
{
    while (range.len > 0) {
        if (r->filled == 0 && reading_fill(r, range, e) < 0)
            return -1;
        if (http_write(rq->http, r->buffer, r->filled) < 0)
            return error_set(e, ERROR_ABORTED, "The client went away.");
        range.offset += r->filled;
        range.len -= r->filled;
        r->filled = 0;
    }
    return 0;
}

static int send_range(struct request *rq, struct reading *r, struct http_range range, struct error *e)
{
    int fd = store_get_fd(r->get);

    if (fd < 0)
        return send_copied(rq, r, range, e);
    if (http_sendfile(rq->http, fd, range.offset, range.len) < 0)
        return error_set(e, ERROR_ABORTED, "The client went away.");
    return 0;
}

/* The first location, in their order, that is the whole image and gives the first bytes wanted. Else the last
 * failure, but for ERROR_NOT_FOUND after others: data that cannot be read now are not "no data". */
static int location_open(struct request *rq, const struct image *im, struct http_range range,
                         struct reading *ret, struct error *e)
{
    error_set(e, ERROR_NOT_FOUND, "No location of image %s can be read.", im->id);
    for (size_t i = 0; i < im->n_locations; i++) {
        const char *url = im->locations[i].url;
        struct store *store = stores_for_url(rq->api->stores, im->locations[i].store, url);
        struct error one;

        if (!store)
            error_set(&one, ERROR_INTERNAL, "no store is configured for it");
        else if (reading_open(store, im, url, range, ret, &one) == 0)
            return 0;
        reading_done(ret);
        log_warning("%s: image %s: location %zu cannot be read: %s (%s)", rq->request_id, im->id, i,
                    one.message, one.detail);
        if (one.kind == ERROR_INVALID)
            error_as(&one, 500, "%s", ""); /* the location is wrong, not the request */
        if (one.kind != ERROR_NOT_FOUND || e->kind == ERROR_NOT_FOUND)
            *e = one;
    }
    return -1;
}

static int download_allowed(struct request *rq, struct image **ret, struct error *e)
{
    struct image *im;

    if (request_image(rq, &im, e) < 0)
        return -1;
    if (im->status == IMAGE_DEACTIVATED && !rq->identity.is_admin)
        return error_set(e, ERROR_FORBIDDEN,
                         "The requested image has been deactivated. Image data download is forbidden.");
    *ret = im;
    return request_allowed(rq, rq->route->rule, im, e);
}

/* An image without data, or whose data is nowhere to be found: there is no version of it either. */
static int respond_no_data(struct request *rq, struct error *e)
{
    return request_conditions_on_nothing(rq, e) < 0 ? -1 : respond_empty(rq, 204, NULL);
}

static bool same_locations(const struct image *a, const struct image *b)
{
    bool same = a->n_locations == b->n_locations;

    for (size_t i = 0; same && i < a->n_locations; i++)
        same = str_eq(a->locations[i].url, b->locations[i].url);
    return same;
}

/* Data that are nowhere to be found may have been removed since the image was read: with it, which is 404, or
 * as one of several copies. *ret_none: the image as it is now has no data that can be found. */
static int data_open(struct request *rq, struct image *im, struct http_range range, struct reading *ret,
                     bool *ret_none, struct error *e)
{
    struct image *now;

    *ret_none = false;
    if (location_open(rq, im, range, ret, e) == 0)
        return 0;
    if (e->kind != ERROR_NOT_FOUND || download_allowed(rq, &now, e) < 0 || locations_prefer(rq, now, e) < 0)
        return -1;
    request_db_release(rq);
    if (!same_locations(im, now) && now->size == im->size && location_open(rq, now, range, ret, e) == 0)
        return 0;
    if (same_locations(im, now))
        error_set(e, ERROR_NOT_FOUND, "No location of image %s can be read.", im->id);
    *ret_none = e->kind == ERROR_NOT_FOUND;
    return -1;
}

static int send_data(struct request *rq, const struct image *im, const struct http_validators *v,
                     struct reading *reading, struct http_range range, bool partial, struct error *e)
{
    headers_add(rq->arena, &rq->headers, "Content-Type", "application/octet-stream");
    if (im->checksum)
        headers_add(rq->arena, &rq->headers, "Content-MD5", im->checksum);
    if (partial)
        headers_addf(rq->arena, &rq->headers, "Content-Range", "bytes %llu-%llu/%lld",
                     (unsigned long long)range.offset, (unsigned long long)(range.offset + range.len - 1),
                     (long long)im->size);
    headers_add(rq->arena, &rq->headers, "Accept-Ranges", "bytes");
    request_validators_add(rq, v);
    if (respond_head(rq, partial ? 206 : 200, (int64_t)range.len) < 0)
        return error_set(e, ERROR_ABORTED, "The client went away.");
    return str_eq(rq->http->method, "HEAD") ? 0 : send_range(rq, reading, range, e);
}

static bool data_distant(struct request *rq, const struct image *im)
{
    const struct image_location *first = &im->locations[0];
    const struct store *s = stores_for_url(rq->api->stores, first->store, first->url);

    return s && store_distant(s);
}

/* GET and HEAD. A range that is wrong is refused before the data is looked for, as Glance does; but
 * conditions come before the range, and they can hold only for data that is there. Somebody else's server is
 * not asked for what they decide. */
int image_download(struct request *rq, struct error *e)
{
    CLEANUP(reading_done) struct reading reading = { .get = NULL };
    struct http_range range, wanted = { 0, 0 };
    struct http_validators v;
    struct image *im = NULL;
    enum http_range_kind kind;
    bool fits, distant, none = false, unchanged = false;
    const char *header;

    if (download_allowed(rq, &im, e) < 0 || locations_prefer(rq, im, e) < 0)
        return -1;
    request_db_release(rq); /* a connection is not held while bytes move */
    if (im->n_locations == 0 || im->size < 0)
        return respond_no_data(rq, e);
    v = data_validators(rq, im);
    kind = range_find(rq, (uint64_t)im->size, &v, &range, &header);
    fits = kind == RANGE_NONE || kind == RANGE_ONE;
    if (!fits && !request_is_conditional(rq))
        return range_refuse(rq, e, kind, header, (uint64_t)im->size);
    if (fits && str_eq(rq->http->method, "GET"))
        wanted = range;
    distant = data_distant(rq, im);
    if (distant && request_conditions(rq, &v, &unchanged, e) < 0)
        return -1;
    if (!unchanged && data_open(rq, im, wanted, &reading, &none, e) < 0)
        return none ? respond_no_data(rq, e) : -1;
    if (!distant && request_conditions(rq, &v, &unchanged, e) < 0)
        return -1;
    if (unchanged)
        return respond_unchanged(rq, &v);
    if (!fits)
        return range_refuse(rq, e, kind, header, (uint64_t)im->size);
    return send_data(rq, im, &v, &reading, range, kind == RANGE_ONE, e);
}
