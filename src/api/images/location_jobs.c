/* SPDX-License-Identifier: Apache-2.0 */
/* POST and GET /v2/images/{image_id}/locations. A POST is answered when the work it asks for is written down:
 * the worker does it (imports/location.c). The order of the checks is Glance 33's (api/v2/images.py
 * add_location()). */
#include "api/images/images.h"

#include <string.h>

#include "api/core/access.h"
#include "api/core/conditional.h"
#include "api/core/respond.h"
#include "db/db.h"
#include "imports/imports.h"
#include "store/store.h"
#include "stream/stream.h"

/* ---- GET ---- */

int location_list(struct request *rq, struct error *e)
{
    CLEANUP(str_done) struct str body = STR_INIT;
    struct image *im;

    if (request_image(rq, &im, e) < 0 || request_allowed(rq, rq->route->rule, im, e) < 0)
        return -1;
    str_addc(&body, '[');
    for (size_t i = 0; i < im->n_locations; i++) {
        str_add(&body, i ? ", " : "");
        location_doc_write(&body, &im->locations[i], true);
    }
    str_addc(&body, ']');
    return respond_document(rq, &body, e);
}

/* ---- POST ---- */

static int status_check(const struct image *im, struct error *e)
{
    if (im->status == IMAGE_QUEUED)
        return 0;
    return error_set(e, ERROR_CONFLICT, "It's not allowed to add locations if image status is %s.",
                     image_status_name(im->status));
}

static bool is_service(const struct identity *id)
{
    for (size_t i = 0; i < id->n_service_roles; i++)
        if (str_eq(id->service_roles[i], "service"))
            return true;
    return identity_has_role(id, "service");
}

/* Who is no service may only name web servers. */
static int scheme_check(struct request *rq, const char *url, struct error *e)
{
    if (is_service(&rq->identity) ||
        (str_starts(url, "http") && stores_for_url(rq->api->stores, NULL, "http://")))
        return 0;
    return error_set(e, ERROR_FORBIDDEN, "http store must be enabled to use location API by normal user.");
}

static int hash_check(const char *algorithm, const char *value, struct error *e)
{
    size_t wanted = stream_hash_size(algorithm);
    ssize_t n = value ? hex_size(value) : 0;

    if (n < 0)
        return error_set(e, ERROR_INVALID, "os_hash_value (%s) is not a valid hexadecimal value", value);
    if (value && (size_t)n != wanted)
        return error_set(e, ERROR_INVALID,
                         "os_hash_value: (%s) is not the correct size for (%s) (should be (%zu) bytes)",
                         value, algorithm, wanted);
    return 0;
}

static int source_check(struct request *rq, const char *url, struct error *e)
{
    struct http_url u;
    bool split = http_url_split(rq->arena, url, &u);

    if (split && !str_eq(u.scheme, "http") && !str_eq(u.scheme, "https"))
        return 0;
    if (split && request_source(rq, "a location", url))
        return 0;
    return error_set(e, ERROR_INVALID, "URI for add location does not pass filtering: %s", url);
}

static int request_read(struct request *rq, struct location_request *ret, struct error *e)
{
    const json_t *proof = json_object_get(rq->body, "validation_data");
    const char *algorithm = json_string_value(json_object_get(proof, "os_hash_algo"));

    *ret = (struct location_request){
        .url = json_string_value(json_object_get(rq->body, "url")),
        .algorithm = algorithm ? algorithm : rq->settings->hashing_algorithm,
        .value = json_string_value(json_object_get(proof, "os_hash_value")),
        .hash = rq->settings->secure_hash,
        .location_quota = rq->settings->location_quota,
        .storage_quota = rq->settings->storage_quota,
        .proof = proof,
        .owner = rq->identity.project ? rq->identity.project : "",
        .user_id = rq->identity.user,
        .request_id = rq->request_id,
    };
    if (scheme_check(rq, ret->url, e) < 0 || hash_check(ret->algorithm, ret->value, e) < 0)
        return -1;
    request_db_release(rq); /* a connection is not held while names are resolved */
    return source_check(rq, ret->url, e);
}

struct asked {
    struct request *rq;
    struct location_request location;
    char id[UUID_TEXT_MAX]; /* of the job */
};

/* The image as it is now; its lock and the job are there together, or neither. */
static int job_write(struct db_conn *c, void *arg, struct error *e)
{
    struct asked *a = arg;
    struct request *rq = a->rq;
    struct image *im;

    if (request_image(rq, &im, e) < 0 || status_check(im, e) < 0 ||
        request_allowed(rq, rq->route->rule, im, e) < 0)
        return -1;
    return location_job_add(c, im, &a->location, a->id, e);
}

static int job_written(struct db_conn *c, void *arg, bool *ret, struct error *e)
{
    const struct asked *a = arg;

    return job_exists(c, a->id, ret, e);
}

int location_add(struct request *rq, struct error *e)
{
    static const struct db_unit unit = { "location.add", job_write, job_written };
    struct asked a = { .rq = rq };
    struct image *im;

    if (schema_check_location(rq->body, e) < 0 || request_image(rq, &im, e) < 0 || status_check(im, e) < 0 ||
        request_allowed(rq, rq->route->rule, im, e) < 0 || request_read(rq, &a.location, e) < 0 ||
        request_write(rq, &unit, &a, e) < 0)
        return -1;
    return respond_empty(rq, 202, "text/html; charset=UTF-8");
}
