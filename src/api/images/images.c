/* SPDX-License-Identifier: Apache-2.0 */
/* Create, show and delete. The order of the checks decides which error wins; it is Glance 33's
 * (seen on the wire; api/v2/images.py create(), show(), delete()). */
#include "api/images/images.h"

#include <string.h>

#include "api/core/access.h"
#include "api/core/conditional.h"
#include "api/core/elsewhere.h"
#include "api/core/places.h"
#include "api/core/respond.h"
#include "api/core/values.h"
#include "transfer/remove.h"

/* ---- create ---- */

static const char *const create_refused[] = { "direct_url", "self", "file", "schema", "stores" };

static const char *const create_read_only[] = { "created_at", "updated_at", "status",
                                                "checksum",   "size",       "virtual_size" };

static int names_check(struct request *rq, struct error *e)
{
    const char *name;
    json_t *value;

    for (size_t i = 0; i < COUNT(create_refused); i++)
        if (json_object_get(rq->body, create_refused[i]))
            return error_set(e, ERROR_FORBIDDEN, "Attribute '%s' is read-only.", create_refused[i]);
    if (!json_is_object(rq->body))
        return error_set(e, ERROR_INVALID,
                         "Provided object does not match schema 'image': an object was expected");
    if (schema_check_image(rq->settings->schema, rq->body, e) < 0)
        return -1;
    json_object_foreach(rq->body, name, value)
    {
        if (schema_is_base(rq->settings->schema, name))
            continue;
        if (str_utf8_len(name, strlen(name)) > 255)
            return error_set(e, ERROR_INVALID, "Custom property should not be greater than 255 characters.");
        if (image_name_reserved(name))
            return error_in_detail(e, ERROR_FORBIDDEN, "Attribute '%s' is reserved.", name);
    }
    return 0;
}

/* Who may own the new image, and how visible may it be. */
static int create_allowed(struct request *rq, struct image *im, struct error *e)
{
    const json_t *owner = json_object_get(rq->body, "owner"),
                 *visibility = json_object_get(rq->body, "visibility");
    const char *asked = owner ? json_string_value(owner) : rq->identity.project;
    bool own = str_eq(asked, rq->identity.project);
    struct policy_target target;

    policy_target_proposed(asked, visibility ? json_string_value(visibility) : "private", &target);
    if (!policy_allows(rq->rules, &rq->identity, rq->route->rule, &target)) {
        if (own)
            return error_set(e, ERROR_FORBIDDEN, "You are not authorized to complete add_image action.");
        return error_in_detail(e, ERROR_FORBIDDEN, "You are not permitted to create images owned by '%s'",
                               asked ? asked : "None");
    }
    im->owner = asked && *asked ? arena_str(rq->arena, asked) : NULL;
    if (visibility)
        image_visibility_parse(json_string_value(visibility), &im->visibility);
    if (image_visibility_allowed(rq, &target, im->visibility, e) < 0)
        return -1;
    if (rq->settings->enforce_new_defaults || rq->identity.is_admin || own)
        return 0;
    return error_set(e, ERROR_FORBIDDEN, "You are not permitted to create images owned by '%s'.",
                     asked ? asked : "None");
}

/* Base attributes are not subject to protections; those that Glance takes for properties here are. */
static bool is_protected(const struct request *rq, const char *name)
{
    static const char *const taken[] = { "locations", "os_hash_algo", "os_hash_value" };

    for (size_t i = 0; i < COUNT(taken); i++)
        if (str_eq(taken[i], name))
            return true;
    return !schema_is_base(rq->settings->schema, name);
}

/* The properties in the order of the body: the first that may not be created is the one that is named. */
static int properties_allowed(struct request *rq, struct error *e)
{
    const char *name;
    json_t *value;

    if (!rq->settings->protections)
        return 0;
    json_object_foreach(rq->body, name, value)
    {
        if (is_protected(rq, name) && request_may_change(rq, name, PROPERTY_CREATE, e) < 0)
            return -1;
    }
    return 0;
}

static int create_fill(struct request *rq, struct image *im, struct error *e)
{
    const json_t *tags = json_object_get(rq->body, "tags");
    const char *name;
    json_t *value;

    if (properties_allowed(rq, e) < 0 ||
        quota_check(rq->settings->tag_quota, json_array_size(tags), "tags", e) < 0)
        return -1;
    for (size_t i = 0; i < COUNT(create_read_only); i++)
        if (json_object_get(rq->body, create_read_only[i]))
            return error_set(e, ERROR_FORBIDDEN, "Attribute '%s' is read-only.", create_read_only[i]);
    if (json_object_get(rq->body, "locations"))
        return error_set(e, ERROR_FORBIDDEN, "Attribute 'locations' is reserved.");
    json_object_foreach(rq->body, name, value)
    {
        if (str_eq(name, "id") || str_eq(name, "os_hash_algo") || str_eq(name, "os_hash_value"))
            continue;
        if (schema_is_base(rq->settings->schema, name)) {
            if (!str_eq(name, "owner") && !str_eq(name, "visibility") &&
                image_set_base(rq, im, name, value, e) < 0)
                return -1;
        } else {
            image_property_set(rq->arena, im, arena_str(rq->arena, name),
                               arena_str(rq->arena, json_string_value(value)));
        }
    }
    if (quota_check(rq->settings->property_quota, image_properties_counted(im), "properties", e) < 0)
        return -1;
    return image_storable_check(im, e);
}

static int insert_run(struct db_conn *c, void *im, struct error *e)
{
    return image_insert(c, im, e);
}

/* An image of this id may be another's, where the client chose the id. */
static int insert_went_through(struct db_conn *c, void *arg, bool *ret, struct error *e)
{
    CLEANUP(arena_end) struct arena *a = arena_make(4096);
    const struct image *im = arg;
    struct image *now;

    *ret = image_load_any(c, a, im->id, &now, e) == 0;
    if (*ret)
        *ret = now->created_us == im->created_us && str_eq(now->owner, im->owner);
    else if (e->kind != ERROR_NOT_FOUND)
        return -1;
    return 0;
}

static int create_store(struct request *rq, struct image *im, struct error *e)
{
    static const struct db_unit unit = { "image.create", insert_run, insert_went_through };

    if (request_write(rq, &unit, im, e) == 0)
        return 0;
    return e->kind == ERROR_CONFLICT ? error_as(e, 409, "Image ID %s already exists!", im->id) : -1;
}

int image_create(struct request *rq, struct error *e)
{
    CLEANUP(str_done) struct str body = STR_INIT;
    struct image *im = arena_new(rq->arena, struct image);
    struct image_doc_options doc;
    const char *id;

    if (names_check(rq, e) < 0 || request_writes(rq, e) < 0)
        return -1;
    resource_init(&image_resource, im);
    if (create_allowed(rq, im, e) < 0 || create_fill(rq, im, e) < 0)
        return -1;
    id = json_string_value(json_object_get(rq->body, "id"));
    if (id) {
        im->id = arena_str(rq->arena, id);
    } else {
        char *made = arena_alloc(rq->arena, UUID_TEXT_MAX);

        uuid_make(made);
        im->id = made;
    }
    if (create_store(rq, im, e) < 0)
        return -1;
    request_hide(rq, im);
    doc = image_doc_options(rq, im);
    image_doc_write(&body, im, &doc);
    headers_addf(rq->arena, &rq->headers, "Location", "%s/v2/images/%s", request_base(rq), im->id);
    if (*rq->settings->import_methods)
        headers_add(rq->arena, &rq->headers, "OpenStack-image-import-methods", rq->settings->import_methods);
    request_version_add(rq, document_etag(rq, &body));
    stores_add_header(rq);
    return respond_json(rq, 201, &body);
}

/* ---- show ---- */

int image_show(struct request *rq, struct error *e)
{
    CLEANUP(str_done) struct str body = STR_INIT;
    struct image_doc_options doc;
    struct image *im;

    if (request_image(rq, &im, e) < 0)
        return -1;
    if (request_allowed(rq, rq->route->rule, im, e) < 0)
        return -1;
    doc = image_doc_options(rq, im);
    image_doc_write(&body, im, &doc);
    return respond_document(rq, &body, e);
}

/* ---- delete ---- */

/* The owner may have changed; the conditions are about what the caller is shown of it. */
static int delete_check(void *arg, const struct image *now, struct error *e)
{
    struct request *rq = arg;
    struct image seen = *now;

    if (request_owns(rq, rq->route->rule, now, e) < 0)
        return -1;
    seen.by_name = NULL; /* of the other array */
    seen.properties = arena_array(rq->arena, struct image_property, now->n_properties + 1);
    for (size_t i = 0; i < now->n_properties; i++)
        seen.properties[i] = now->properties[i];
    seen.locations = arena_array(rq->arena, struct image_location, now->n_locations + 1);
    for (size_t i = 0; i < now->n_locations; i++)
        seen.locations[i] = now->locations[i];
    request_prepare(rq, &seen);
    return request_image_conditions(rq, &seen, e);
}

int image_delete_handle(struct request *rq, struct error *e)
{
    struct image *im;
    bool done;

    if (request_writes(rq, e) < 0)
        return -1;
    if (request_image(rq, &im, e) < 0) {
        if (e->kind == ERROR_NOT_FOUND)
            error_as(e, 404, "Failed to find image %s to delete", rq->args[0]);
        return -1;
    }
    if (request_owns(rq, rq->route->rule, im, e) < 0)
        return -1;
    if (im->protected)
        return error_set(e, ERROR_FORBIDDEN, "Image %s is protected and cannot be deleted.", im->id);
    if (request_elsewhere(rq, im, &done, e) < 0)
        return -1;
    request_db_release(rq);
    if (!done && image_remove(rq->api->db, rq->api->stores, im, delete_check, rq, e) < 0) {
        if (e->kind == ERROR_NOT_FOUND)
            error_as(e, 404, "Failed to find image %s to delete", rq->args[0]);
        return -1;
    }
    return respond_empty(rq, 204, "text/html; charset=UTF-8");
}
