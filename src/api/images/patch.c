/* SPDX-License-Identifier: Apache-2.0 */
/* PATCH /v2/images/{image_id}. Everything is parsed and checked before the image is looked at; then all
 * changes are applied to the row as it is inside one write transaction, so that two editors of
 * different attributes do not overwrite each other and any failure leaves nothing changed.
 *
 * An empty list needs get_image: no rule of a change guards what its answer shows. */
#include "api/images/images.h"

#include <stdio.h>
#include <string.h>

#include "api/core/access.h"
#include "api/core/conditional.h"
#include "api/core/places.h"
#include "api/core/respond.h"
#include "api/core/values.h"
#include "db/db.h"
#include "transfer/remove.h"

static const char media_v21[] = "application/openstack-images-v2.1-json-patch";
static const char media_v20[] = "application/openstack-images-v2.0-json-patch";

static int dialect_read(struct request *rq, enum patch_dialect *ret, struct error *e)
{
    char type[64];

    if (http_media_type(http_header(rq->http, "Content-Type"), type, sizeof type)) {
        if (str_eq(type, media_v21)) {
            *ret = PATCH_V21;
            return 0;
        }
        if (str_eq(type, media_v20)) {
            *ret = PATCH_V20;
            return 0;
        }
    }
    headers_addf(rq->arena, &rq->headers, "Accept-Patch", "%s, %s", media_v20, media_v21);
    return error_in_detail(e, ERROR_MEDIA, "Image PATCH expects Content-Type one of: %s, %s", media_v20,
                           media_v21);
}

/* What a client sets as a whole; locations have operations of their own. */
static bool is_attribute(const char *name)
{
    const struct attribute *a = attribute_find(&image_resource, name);

    return a && a->writer == ATTRIBUTE_CLIENT;
}

/* What is there is updated, anything else created. Whoever may create a property without seeing it may still
 * not change one that is there. */
static int property_allowed_here(struct request *rq, const struct image *im, const char *name,
                                 struct error *e)
{
    bool seen = image_property_get(im, name) != NULL;

    if (!seen && request_may_change(rq, name, PROPERTY_CREATE, e) < 0)
        return -1;
    return seen || image_property_hidden(im, name) ? request_may_change(rq, name, PROPERTY_UPDATE, e) : 0;
}

static int property_apply(struct request *rq, struct image *im, const struct patch_change *c, struct error *e)
{
    const char *name = c->path[0], *value = json_string_value(c->value);

    if (property_allowed_here(rq, im, name, e) < 0)
        return -1;
    image_property_set(rq->arena, im, name, arena_str(rq->arena, value));
    if (!request_may(rq, name, PROPERTY_READ))
        image_property_hide(rq->arena, im, name);
    return 0;
}

static int attribute_apply(struct request *rq, struct image *im, const struct patch_change *c,
                           struct error *e)
{
    const char *name = c->path[0];

    if ((str_eq(name, "disk_format") || str_eq(name, "container_format")) && im->status != IMAGE_QUEUED)
        return error_set(e, ERROR_FORBIDDEN, "Attribute %s can be only replaced for a queued image.", name);
    if (str_eq(name, "owner") && !rq->identity.is_admin &&
        !str_eq(json_string_value(c->value), rq->identity.project))
        return error_set(e, ERROR_FORBIDDEN, "Forbidding request, image %s not visible", im->id);
    if (str_eq(name, "tags") &&
        quota_check(rq->settings->tag_quota, json_array_size(c->value), "tags", e) < 0)
        return -1;
    return image_set_base(rq, im, name, c->value, e);
}

static int change_apply(struct request *rq, struct image *im, const struct patch_change *c, struct error *e)
{
    const char *name = c->path[0];
    bool attribute = is_attribute(name), present = attribute || image_property_get(im, name) != NULL;
    struct policy_target target;
    enum image_visibility to;

    policy_target_image(im, &rq->identity, &target);
    if (str_eq(name, "locations"))
        return locations_change(rq, im, c, e);
    if (str_eq(name, "visibility") && c->value && image_visibility_parse(json_string_value(c->value), &to) &&
        image_visibility_allowed(rq, &target, to, e) < 0)
        return -1;
    if (str_eq(name, "owner") && c->op == PATCH_REPLACE && !rq->identity.is_admin)
        return error_in_detail(e, ERROR_FORBIDDEN, "Owner can't be updated by non admin.");
    if (request_owns(rq, rq->route->rule, im, e) < 0)
        return -1;
    switch (c->op) {
    case PATCH_REMOVE:
        if (attribute)
            return error_in_detail(e, ERROR_FORBIDDEN, "Property %s may not be removed.", name);
        if (!present)
            return error_in_detail(e, ERROR_CONFLICT, "Property %s does not exist.", name);
        if (request_may_change(rq, name, PROPERTY_DELETE, e) < 0)
            return -1;
        image_property_drop(im, name);
        return 0;
    case PATCH_REPLACE:
        if (!present)
            return error_in_detail(e, ERROR_CONFLICT, "Property %s does not exist.", name);
        break;
    case PATCH_ADD:
        if (present && c->dialect == PATCH_V20)
            return error_in_detail(e, ERROR_CONFLICT, "Property %s already present.", name);
        break;
    }
    return attribute ? attribute_apply(rq, im, c, e) : property_apply(rq, im, c, e);
}

/* The properties that an image had before it was changed, seen or hidden. */
struct names_before {
    const struct image_property *items;
    size_t n;
};

static struct names_before names_keep(struct request *rq, const struct image *im)
{
    size_t n = im->n_properties + im->n_hidden;
    struct image_property *copy = arena_array(rq->arena, struct image_property, n + 1);

    for (size_t i = 0; i < n; i++)
        copy[i] = i < im->n_properties ? im->properties[i] : im->hidden[i - im->n_properties];
    return (struct names_before){ copy, n };
}

static bool has_new_property(struct request *rq, const struct image *im, const struct names_before *before)
{
    struct names *known = names_make(rq->arena);

    for (size_t i = 0; i < before->n; i++)
        names_put(known, before->items[i].name, i);
    for (size_t i = 0; i < im->n_properties; i++)
        if (!names_find(known, im->properties[i].name, NULL))
            return true;
    return false;
}

/* As Glance 33 (quota/__init__.py): an image over the quota can have properties changed and removed, but a
 * new name is refused even where another one goes. */
static int property_quota_check(struct request *rq, const struct image *im, const struct names_before *before,
                                struct error *e)
{
    size_t n = image_properties_counted(im);
    struct error over;

    if (quota_check(rq->settings->property_quota, n, "properties", &over) == 0 ||
        !has_new_property(rq, im, before))
        return 0;
    *e = over;
    return -1;
}

static int changes_apply(struct request *rq, struct image *im, const struct patch_change *changes, size_t n,
                         struct error *e)
{
    const struct names_before before = names_keep(rq, im);

    for (size_t i = 0; i < n; i++)
        if (change_apply(rq, im, &changes[i], e) < 0)
            return -1;
    return property_quota_check(rq, im, &before, e) < 0 ? -1 : image_storable_check(im, e);
}

/* Refusals are found without the writer's place, which others wait for. One that lies in the image's present
 * state gives way to a condition that does not hold: the change was meant for another state. */
static int changes_try(struct request *rq, struct image *im, const struct patch_change *changes, size_t n,
                       struct error *e)
{
    struct error stale;
    bool current = request_image_conditions(rq, im, &stale) == 0;

    if (changes_apply(rq, im, changes, n, e) < 0 &&
        (current || (e->kind != ERROR_CONFLICT && e->kind != ERROR_TOO_LARGE)))
        return -1;
    if (!current)
        *e = stale;
    return current ? 0 : -1;
}

static bool names_url(const struct image *im, const char *url)
{
    for (size_t i = 0; i < im->n_locations; i++)
        if (str_eq(im->locations[i].url, url))
            return true;
    return false;
}

/* What the image had and has no more. */
static int note_removed(struct request *rq, struct db_conn *c, const struct image *before,
                        const struct image *im, struct leftovers *ret, struct error *e)
{
    for (size_t i = 0; i < before->n_locations; i++) {
        const struct image_location *l = &before->locations[i];

        if (!names_url(im, l->url) &&
            (leftovers_check(rq->api->stores, l, e) < 0 || leftovers_note(ret, c, rq->arena, l, e) < 0))
            return -1;
    }
    return 0;
}

/* Of what a read shows from now on: the rows may have another order than the patch. NULL: this caller will be
 * shown nothing. */
static const char *saved_etag(struct request *rq)
{
    struct image *im;
    struct error e;

    return request_image(rq, &im, &e) < 0 ? NULL : image_etag(rq, im);
}

struct saving {
    struct request *rq;
    const struct patch_change *changes;
    size_t n;
    struct leftovers left;
    struct image *image; /* as saved */
    const char *etag;
};

/* The image as it is now, changed and saved. */
static int changes_write(struct db_conn *c, void *arg, struct error *e)
{
    struct saving *v = arg;
    struct request *rq = v->rq;
    struct image *im, before;

    v->left.n = 0;
    if (request_image(rq, &im, e) < 0 || request_image_conditions(rq, im, e) < 0)
        return -1;
    before = *im;
    before.locations = arena_array(rq->arena, struct image_location, im->n_locations);
    for (size_t i = 0; i < im->n_locations; i++)
        before.locations[i] = im->locations[i];
    v->image = im;
    if (changes_apply(rq, im, v->changes, v->n, e) < 0)
        return -1;
    locations_place(rq, im);
    if (image_save(c, im, before.status, e) < 0 || note_removed(rq, c, &before, im, &v->left, e) < 0)
        return -1;
    v->etag = saved_etag(rq);
    return 0;
}

/* An image with this ETag shows what the unit left, even if another left the same. */
static int changes_written(struct db_conn *c, void *arg, bool *ret, struct error *e)
{
    struct saving *v = arg;
    struct image *now;

    if (v->etag) {
        *ret = str_eq(saved_etag(v->rq), v->etag);
    } else {
        if (image_load_any(c, v->rq->arena, v->rq->args[0], &now, e) < 0)
            return -1;
        *ret = now->updated_us == v->image->updated_us;
    }
    return *ret ? leftovers_confirm(&v->left, c, e) : 0;
}

static int changes_save(struct saving *v, struct error *e)
{
    static const struct db_unit unit = { "image.patch", changes_write, changes_written };

    if (request_write(v->rq, &unit, v, e) < 0)
        return -1;
    leftovers_remove(&v->left, v->rq->conn);
    return 0;
}

int image_patch(struct request *rq, struct error *e)
{
    CLEANUP(str_done) struct str body = STR_INIT;
    struct image_doc_options doc;
    struct patch_change *changes;
    struct saving v = { .rq = rq, .left = { .stores = rq->api->stores } };
    enum patch_dialect dialect = PATCH_V21;
    struct image *im;
    size_t n;

    if (dialect_read(rq, &dialect, e) < 0 || request_json(rq, e) < 0)
        return -1;
    if (patch_parse(rq->arena, rq->settings->schema, dialect, rq->body, &changes, &n, e) < 0)
        return -1;
    if (request_writes(rq, e) < 0 || request_image(rq, &im, e) < 0 ||
        (n == 0 && request_allowed(rq, "get_image", im, e) < 0) || changes_try(rq, im, changes, n, e) < 0)
        return -1;
    v.image = im;
    v.changes = changes;
    v.n = n;
    if (n == 0)
        v.etag = image_etag(rq, im);
    else if (changes_save(&v, e) < 0)
        return -1;
    request_db_release(rq);
    doc = image_doc_options(rq, v.image);
    image_doc_write(&body, v.image, &doc);
    request_version_add(rq, v.etag);
    return respond_json(rq, 200, &body);
}
