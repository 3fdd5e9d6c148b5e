/* SPDX-License-Identifier: Apache-2.0 */
/* GET and HEAD of /v2/images/{image_id}/file: who may read the data, which part is asked for, and what the
 * answer says of them. Words and statuses are Glance 33's (api/v2/image_data.py and the wire). */
#include "api/data/data.h"

#include <string.h>

#include "api/core/access.h"
#include "api/core/conditional.h"
#include "api/core/places.h"
#include "api/core/respond.h"
#include "store/store.h"
#include "transfer/download.h"

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

static int client_write(void *arg, const void *buf, size_t n, struct error *e)
{
    return http_write(arg, buf, n) < 0 ? error_set(e, ERROR_ABORTED, "The client went away.") : 0;
}

/* A file goes to the socket by itself. */
static int send_range(struct request *rq, struct download *d, struct http_range range, struct error *e)
{
    const struct stream_sink client = { .write = client_write, .arg = rq->http };
    int fd = download_fd(d);

    if (fd < 0)
        return download_copy(d, range.offset, range.len, &client, e);
    if (http_sendfile(rq->http, fd, range.offset, range.len) < 0)
        return error_set(e, ERROR_ABORTED, "The client went away.");
    return 0;
}

static int location_open(struct request *rq, const struct image *im, struct http_range range,
                         struct download *ret, struct error *e)
{
    if (download_open(rq->api->stores, im, range.offset, range.len, rq->request_id, ret, e) == 0)
        return 0;
    return e->kind == ERROR_INVALID ? error_as(e, 500, "%s", "") : -1; /* the location is wrong */
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
static int data_open(struct request *rq, struct image *im, struct http_range range, struct download *ret,
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
                     struct download *data, struct http_range range, bool partial, struct error *e)
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
    return str_eq(rq->http->method, "HEAD") ? 0 : send_range(rq, data, range, e);
}

/* GET and HEAD. A range that is wrong is refused before the data is looked for, as Glance does; but
 * conditions come before the range, and they can hold only for data that is there. Somebody else's server is
 * not asked for what they decide. */
int image_download(struct request *rq, struct error *e)
{
    CLEANUP(download_close) struct download data = { .get = NULL };
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
    distant = download_distant(rq->api->stores, im);
    if (distant && request_conditions(rq, &v, &unchanged, e) < 0)
        return -1;
    if (!unchanged && data_open(rq, im, wanted, &data, &none, e) < 0)
        return none ? respond_no_data(rq, e) : -1;
    if (!distant && request_conditions(rq, &v, &unchanged, e) < 0)
        return -1;
    if (unchanged)
        return respond_unchanged(rq, &v);
    if (!fits)
        return range_refuse(rq, e, kind, header, (uint64_t)im->size);
    return send_data(rq, im, &v, &data, range, kind == RANGE_ONE, e);
}
