/* SPDX-License-Identifier: Apache-2.0 */
/* POST /v2/images/{image_id}/import: answered when the work is written down, which the worker does
 * (imports/import.c). The order of the checks is Glance 33's (api/v2/images.py import_image() and the
 * wire). */
#include "api/imports/imports.h"

#include <ctype.h>
#include <string.h>

#include "api/core/access.h"
#include "api/core/elsewhere.h"
#include "api/core/respond.h"
#include "db/db.h"
#include "imports/imports.h"
#include "store/store.h"

/* The job and its task keep the request, and each listing of tasks shows it. */
enum { STORES_MAX = 64, REQUEST_BYTES_MAX = 64 * 1024 };

/* What is asked for. */
struct asked {
    const char *method;
    json_t *options; /* "method" of the body */
    bool all_stores, must_succeed;
    const char *header;             /* x-image-meta-store, where it counts */
    const char *stores[STORES_MAX]; /* ids */
    size_t n_stores;
    const char *token, *endpoint; /* for glance-download; NULL: none */
};

/* ---- the body ---- */

/* As Python's str() shows it. */
static const char *shown(struct request *rq, const json_t *value)
{
    CLEANUP(str_done) struct str out = STR_INIT;

    if (!value)
        return "None";
    if (json_is_string(value))
        return json_string_value(value);
    json_add_repr(&out, value);
    return arena_str(rq->arena, str_text(&out));
}

static int flag_read(const struct request *rq, const char *name, bool *ret, struct error *e)
{
    const json_t *value = json_object_get(rq->body, name);

    if (value && !json_is_boolean(value))
        return error_set(e, ERROR_INVALID, "'%s' must be boolean value only", name);
    if (value)
        *ret = json_is_true(value);
    return 0;
}

static int body_check(struct request *rq, struct asked *ret, struct error *e)
{
    json_t *method = json_object_get(rq->body, "method");
    const json_t *name = json_object_get(method, "name");

    if (!method)
        return error_set(e, ERROR_INVALID, "Import request requires a 'method' field.");
    if (!name)
        return error_set(e, ERROR_INVALID, "Import request requires a 'name' field.");
    if (!json_is_string(name) || !import_method_enabled(rq->settings, json_string_value(name)))
        return error_set(e, ERROR_INVALID, "Unknown import method name '%s'.", shown(rq, name));
    *ret = (struct asked){
        .method = json_string_value(name),
        .options = method,
        .must_succeed = true,
        .header = stores_several(rq->api->stores) ? http_header(rq->http, "x-image-meta-store") : NULL,
    };
    if (flag_read(rq, "all_stores", &ret->all_stores, e) < 0)
        return -1;
    return flag_read(rq, "all_stores_must_succeed", &ret->must_succeed, e);
}

/* ---- the image ---- */

static bool is(const struct asked *q, const char *method)
{
    return str_eq(q->method, method);
}

static int status_check(const struct asked *q, const struct image *im, struct error *e)
{
    if (is(q, "copy-image"))
        return im->status == IMAGE_ACTIVE
                   ? 0
                   : error_set(e, ERROR_CONFLICT,
                               "Only images with status active can be targeted for copying");
    if (im->status == IMAGE_ACTIVE)
        return error_set(e, ERROR_CONFLICT, "Image with status active cannot be target for import");
    if (is(q, "glance-direct"))
        return im->status == IMAGE_UPLOADING
                   ? 0
                   : error_set(e, ERROR_CONFLICT,
                               "Image needs to be staged before 'glance-direct' method can be used");
    if (im->status == IMAGE_QUEUED)
        return 0;
    return error_set(e, ERROR_CONFLICT, "Image needs to be in 'queued' state to use '%s' method", q->method);
}

static int formats_check(const struct image *im, struct error *e)
{
    const char *missing = !im->container_format ? "container_format"
                          : !im->disk_format    ? "disk_format"
                                                : NULL;

    if (!missing)
        return 0;
    return error_set(e, ERROR_CONFLICT, "'%s' needs to be set before import", missing);
}

/* All spellings that Python's UUID() takes: dashes anywhere, braces, "urn:uuid:". */
static bool uuid_like(const char *text)
{
    size_t digits = 0;

    text += str_starts(text, "urn:") ? strlen("urn:") : 0;
    text += str_starts(text, "uuid:") ? strlen("uuid:") : 0;
    text += strspn(text, "{}");
    for (; *text && *text != '}'; text++) {
        if (*text == '-')
            continue;
        if (!isxdigit((unsigned char)*text))
            return false;
        digits++;
    }
    return digits == 32 && text[strspn(text, "{}")] == '\0';
}

static int remote_check(struct request *rq, const struct asked *q, struct error *e)
{
    static const char *const needed[] = { "glance_region", "glance_image_id" };
    const json_t *id = json_object_get(q->options, "glance_image_id");

    if (!is(q, "glance-download"))
        return 0;
    for (size_t i = 0; i < COUNT(needed); i++)
        if (!json_object_get(q->options, needed[i]))
            return error_set(e, ERROR_INVALID, "'%s' needs to be set for glance-download import method",
                             needed[i]);
    if (!json_is_string(id) || !uuid_like(json_string_value(id)))
        return error_set(e, ERROR_INVALID, "Remote image id does not look like a UUID: %s", shown(rq, id));
    return 0;
}

static int allowed(struct request *rq, const struct asked *q, const struct image *im, struct error *e)
{
    return is(q, "copy-image") ? request_allowed(rq, "copy_image", im, e)
                               : request_owns(rq, "modify_image", im, e);
}

static int lock_check(struct request *rq, const struct image *im, struct error *e)
{
    const char *task = image_property_get(im, IMAGE_LOCK);
    struct db_conn *c;
    bool holds;

    if (!task)
        return 0;
    if (request_db(rq, &c, e) < 0 || image_lock_holds(c, task, &holds, e) < 0)
        return -1;
    return holds ? error_set(e, ERROR_CONFLICT, "Image has active task") : 0;
}

static int target_check(struct request *rq, const struct asked *q, struct image **ret, struct error *e)
{
    if (request_image(rq, ret, e) < 0 || status_check(q, *ret, e) < 0 || formats_check(*ret, e) < 0 ||
        remote_check(rq, q, e) < 0 || allowed(rq, q, *ret, e) < 0)
        return -1;
    return lock_check(rq, *ret, e);
}

/* ---- the stores ---- */

static bool holds_copy(const struct image *im, const char *store)
{
    for (size_t i = 0; i < im->n_locations; i++)
        if (str_eq(im->locations[i].store, store))
            return true;
    return false;
}

static int copy_check(const struct image *im, const char *store, struct error *e)
{
    return holds_copy(im, store)
               ? error_set(e, ERROR_INVALID, "Image is already present at store '%s'", store)
               : 0;
}

/* A store that is named twice gets one copy. */
static int store_add(struct request *rq, struct asked *q, const struct image *im, const char *id,
                     struct error *e)
{
    const struct store *s = stores_by_id(rq->api->stores, id);

    if (!s)
        return error_set(e, ERROR_CONFLICT, "Store for identifier %s not found", id);
    for (size_t i = 0; i < q->n_stores; i++)
        if (str_eq(q->stores[i], id))
            return 0;
    if (is(q, "copy-image") && copy_check(im, id, e) < 0)
        return -1;
    if (q->n_stores == STORES_MAX)
        return error_set(e, ERROR_INVALID, "More than %d stores.", STORES_MAX);
    q->stores[q->n_stores++] = store_id(s);
    return 0;
}

static int every_store(struct request *rq, struct asked *q, const struct image *im, struct error *e)
{
    const struct stores *all = rq->api->stores;

    for (size_t i = 0; i < stores_count(all); i++) {
        const struct store *s = stores_at(all, i);

        if (store_read_only(s) || (is(q, "copy-image") && holds_copy(im, store_id(s))))
            continue;
        if (store_add(rq, q, im, store_id(s), e) < 0)
            return -1;
    }
    return 0;
}

/* Python takes a text for a list of its characters, of which none is a store. */
static int named_stores(struct request *rq, struct asked *q, const struct image *im, const json_t *list,
                        struct error *e)
{
    const char *text = json_string_value(list);
    size_t i, first = 1;
    json_t *value;

    while (text && *text && (text[first] & 0xC0) == 0x80)
        first++;
    if (text && *text)
        return error_set(e, ERROR_CONFLICT, "Store for identifier %.*s not found", (int)first, text);
    if (!json_is_array(list))
        return error_set(e, ERROR_INVALID, "'stores' must be a list of store identifiers");
    json_array_foreach(list, i, value)
    {
        if (json_is_array(value) || json_is_object(value))
            return error_set(e, ERROR_INVALID, "'stores' must be a list of store identifiers");
        if (store_add(rq, q, im, shown(rq, value), e) < 0)
            return -1;
    }
    return 0;
}

static int stores_choose(struct request *rq, struct asked *q, const struct image *im, struct error *e)
{
    const struct stores *all = rq->api->stores;
    const json_t *named = json_object_get(rq->body, "stores");

    if (!stores_several(all)) {
        if (is(q, "copy-image"))
            return error_set(e, ERROR_INVALID, "Copying needs several stores, and this site has one.");
        return store_add(rq, q, im, store_id(stores_default(all)), e);
    }
    if (q->all_stores && (named || q->header))
        return error_set(e, ERROR_INVALID,
                         "All_stores parameter can't be used with x-image-meta-store header or stores "
                         "parameter");
    if (named && q->header)
        return error_set(e, ERROR_INVALID,
                         "Stores parameter and x-image-meta-store header can't be both specified");
    if (q->all_stores)
        return every_store(rq, q, im, e);
    if (named)
        return named_stores(rq, q, im, named, e);
    return store_add(rq, q, im, q->header ? q->header : store_id(stores_default(all)), e);
}

/* ---- what it is brought from ---- */

/* What is not in the catalog fails later, in the task. */
static int remote_find(struct request *rq, struct asked *q, struct error *e)
{
    if (!json_object_get(q->options, "glance_service_interface"))
        json_object_set_new(q->options, "glance_service_interface", json_string("public"));
    q->token = http_header(rq->http, "X-Auth-Token");
    if (import_remote_endpoint(rq->arena, http_header(rq->http, "X-Service-Catalog"), q->options,
                               &q->endpoint, e) == 0)
        return 0;
    e->in_detail = true;
    return error_as(e, 500, "Invalid service catalog json.");
}

static int source_check(struct request *rq, struct asked *q, struct error *e)
{
    const json_t *uri = json_object_get(q->options, "uri");

    if (!q->must_succeed && !stores_several(rq->api->stores))
        return error_set(e, ERROR_INVALID, "All_stores_must_succeed can only be set with enabled_backends %s",
                         shown(rq, uri));
    if (is(q, "glance-download"))
        return remote_find(rq, q, e);
    if (!is(q, "web-download"))
        return 0;
    request_db_release(rq); /* a connection is not held while names are resolved */
    return import_download_check(rq->settings->sources, q->options, e);
}

/* ---- accepting ---- */

struct accepting {
    struct request *rq;
    const struct asked *asked;
    char id[UUID_TEXT_MAX]; /* of the job */
};

/* The image as it is now; its lock, its task and the job are there together, or none of them. */
static int rows_write(struct db_conn *c, void *arg, struct error *e)
{
    struct accepting *a = arg;
    struct request *rq = a->rq;
    const struct asked *q = a->asked;
    struct import_request r = {
        .method = q->method,
        .body = rq->body,
        .stores = q->stores,
        .n_stores = q->n_stores,
        .several = stores_several(rq->api->stores),
        .must_succeed = q->must_succeed,
        .owner = rq->identity.project ? rq->identity.project : "",
        .user_id = rq->identity.user,
        .request_id = rq->request_id,
        .roles = rq->identity.roles,
        .n_roles = rq->identity.n_roles,
        .storage_quota = rq->settings->storage_quota,
    };
    struct image *im;

    if (target_check(rq, q, &im, e) < 0)
        return -1;
    for (size_t i = 0; is(q, "copy-image") && i < q->n_stores; i++)
        if (copy_check(im, q->stores[i], e) < 0)
            return -1;
    r.image = im;
    r.token = q->token;
    r.endpoint = q->endpoint;
    if (is(q, "glance-direct") && *rq->settings->hosts.place)
        r.place = rq->settings->hosts.place;
    return import_job_add(c, rq->arena, &r, a->id, e);
}

static int rows_written(struct db_conn *c, void *arg, bool *ret, struct error *e)
{
    const struct accepting *a = arg;

    return job_exists(c, a->id, ret, e);
}

static int job_write(struct request *rq, const struct asked *q, struct error *e)
{
    static const struct db_unit unit = { "import.accept", rows_write, rows_written };

    if (request_write(rq, &unit, &(struct accepting){ .rq = rq, .asked = q }, e) < 0)
        return -1;
    POINT("import.accepted");
    return 0;
}

int image_import(struct request *rq, struct error *e)
{
    struct asked q;
    struct image *im;
    bool done = false;

    if (body_check(rq, &q, e) < 0 || request_writes(rq, e) < 0 || target_check(rq, &q, &im, e) < 0)
        return -1;
    if (json_dumpb(rq->body, NULL, 0, JSON_COMPACT) > REQUEST_BYTES_MAX)
        return error_set(e, ERROR_TOO_LARGE, "The import request is larger than %d bytes.",
                         REQUEST_BYTES_MAX);
    if (stores_choose(rq, &q, im, e) < 0 || source_check(rq, &q, e) < 0)
        return -1;
    if (is(&q, "copy-image") && q.all_stores && q.n_stores == 0) /* every store has it */
        return respond_empty(rq, 202, "text/html; charset=UTF-8");
    if (is(&q, "glance-direct") && request_elsewhere(rq, im, &done, e) < 0)
        return -1;
    if (!done && job_write(rq, &q, e) < 0)
        return -1;
    return respond_empty(rq, 202, "text/html; charset=UTF-8");
}
