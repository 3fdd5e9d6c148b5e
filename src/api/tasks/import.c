/* SPDX-License-Identifier: Apache-2.0 */
/* POST /v2/tasks: what is asked for is written down, and the worker does it (imports/task.c). What Glance 33
 * refuses with an answer and what it lets a task fail for are told apart here as it does
 * (api/v2/tasks.py create(), common/scripts/). */
#include "api/tasks/tasks.h"

#include <string.h>

#include "api/core/access.h"
#include "api/core/values.h"
#include "api/images/images.h"
#include "db/db.h"
#include "imports/imports.h"
#include "store/store.h"

/* ---- what is refused ---- */

static int members_check(const struct request *rq, struct error *e)
{
    static const char *const needed[] = { "type", "input" };

    for (size_t i = 0; i < COUNT(needed); i++)
        if (!json_object_get(rq->body, needed[i]))
            return error_set(e, ERROR_INVALID, "Task '%s' is required", needed[i]);
    return schema_check_task(rq->body, e);
}

static int location_check(const json_t *from, struct error *e)
{
    CLEANUP(str_done) struct str shown = STR_INIT;
    const char *url = json_string_value(from);

    if (!url || !*url) {
        if (from && !url)
            json_add_repr(&shown, from);
        return error_set(e, ERROR_INVALID, "Invalid location: %s", from ? str_text(&shown) : "None");
    }
    if (str_starts(url, "http://") || str_starts(url, "https://"))
        return 0;
    if (str_starts(url, "file:///") || str_starts(url, "filesystem:///"))
        return error_set(e, ERROR_INVALID,
                         "File based imports are not allowed. Please use a non-local source of image data.");
    return error_set(e, ERROR_INVALID,
                     "The given uri is not valid. Please specify a valid uri from the following list of "
                     "supported uri ['http']");
}

static int source_check(struct request *rq, const json_t *input, struct error *e)
{
    const json_t *from = json_object_get(input, "import_from");

    if (location_check(from, e) < 0)
        return -1;
    request_db_release(rq); /* a connection is not held while names are resolved */
    if (request_source(rq, "a task's source", json_string_value(from)))
        return 0;
    return error_set(e, ERROR_INVALID, "URI for legacy import task does not pass filtering: %s",
                     json_string_value(from));
}

/* ---- the image, as image_properties describe it ---- */

/* Texts, and what Python makes a text of; *ret NULL for null. */
static int text_read(struct request *rq, const char *name, const json_t *value, const char **ret,
                     struct error *e)
{
    CLEANUP(str_done) struct str text = STR_INIT;

    if (json_is_null(value)) {
        *ret = NULL;
        return 0;
    }
    if (json_is_string(value))
        str_add(&text, json_string_value(value));
    else if (json_is_boolean(value))
        str_add(&text, json_is_true(value) ? "1" : "0");
    else if (json_is_number(value))
        json_add_value(&text, value, false);
    else
        return error_set(e, ERROR_INVALID, "'%s' is not a text.", name);
    if (str_utf8_len(str_text(&text), text.len) > 65535)
        return error_set(e, ERROR_INVALID, "'%s' is too long.", name);
    *ret = arena_str(rq->arena, str_text(&text));
    return text_storable(*ret, name, e);
}

static int number_read(const char *name, const json_t *value, int64_t *ret, struct error *e)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > INT32_MAX)
        return error_set(e, ERROR_INVALID, "'%s' is not a number that it may be.", name);
    *ret = json_integer_value(value);
    return 0;
}

static int tags_read(struct request *rq, const json_t *value, struct image *im, struct error *e)
{
    if (!json_is_array(value))
        return error_set(e, ERROR_INVALID, "'tags' is not a list.");
    for (size_t i = 0; i < json_array_size(value); i++) {
        const char *tag;

        if (text_read(rq, "tags", json_array_get(value, i), &tag, e) < 0)
            return -1;
        if (!tag || str_utf8_len(tag, strlen(tag)) > 255)
            return error_set(e, ERROR_INVALID, "A tag is a text of at most 255 characters.");
        *ARENA_PUSH(rq->arena, im->tags, im->n_tags, im->cap_tags) = tag;
    }
    image_tags_unique(rq->arena, im);
    return quota_check(rq->settings->tag_quota, im->n_tags, "tags", e);
}

static int flag_read(const char *name, const json_t *value, bool *ret, struct error *e)
{
    if (!json_is_boolean(value))
        return error_set(e, ERROR_INVALID, "'%s' is neither true nor false.", name);
    *ret = json_is_true(value);
    return 0;
}

static int base_read(struct request *rq, struct image *im, const char *name, const json_t *value,
                     struct error *e)
{
    const struct attribute *a = attribute_find(&image_resource, name);
    void *at = a ? (char *)im + a->at : NULL;
    int number;

    switch (a && a->writer == ATTRIBUTE_CLIENT ? a->type : ATTRIBUTE_SIZE) {
    case ATTRIBUTE_TEXT:
        return text_read(rq, name, value, at, e);
    case ATTRIBUTE_NUMBER:
        return number_read(name, value, at, e);
    case ATTRIBUTE_BOOL:
        return flag_read(name, value, at, e);
    case ATTRIBUTE_ENUM:
        if (!json_is_string(value) || !a->parse(json_string_value(value), &number))
            break;
        memcpy(at, &number, sizeof number);
        return 0;
    case ATTRIBUTE_NONE:
        if (str_eq(name, "tags"))
            return tags_read(rq, value, im, e);
        break;
    case ATTRIBUTE_SIZE:
    case ATTRIBUTE_TIME:
        break;
    }
    return error_set(e, ERROR_INVALID, "'%s' cannot be set.", name);
}

static int property_read(struct request *rq, struct image *im, const char *name, const json_t *value,
                         struct error *e)
{
    const char *text;

    if (image_name_reserved(name) || image_name_read_only(name) || str_utf8_len(name, strlen(name)) > 255 ||
        text_storable(name, "property", e) < 0)
        return error_set(e, ERROR_INVALID, "'%s' cannot be a property.", name);
    if (text_read(rq, name, value, &text, e) < 0 || request_may_change(rq, name, PROPERTY_CREATE, e) < 0)
        return -1;
    image_property_set(rq->arena, im, arena_str(rq->arena, name), text ? text : "");
    return 0;
}

static int image_allowed(struct request *rq, const struct image *im, struct error *e)
{
    struct policy_target target;

    policy_target_proposed(im->owner, image_visibility_name(im->visibility), &target);
    if (!policy_allows(rq->rules, &rq->identity, "add_image", &target))
        return error_set(e, ERROR_FORBIDDEN, "You are not authorized to complete add_image action.");
    if (im->owner && !str_eq(im->owner, rq->identity.project) && !rq->identity.is_admin &&
        !rq->settings->enforce_new_defaults)
        return error_set(e, ERROR_FORBIDDEN, "You are not permitted to create images owned by '%s'.",
                         im->owner);
    return image_visibility_allowed(rq, &target, im->visibility, e);
}

/* What fails in Glance's database. */
static int columns_check(const struct image *im, struct error *e)
{
    enum { FORMAT_MAX = 20, TEXT_MAX = 255 };

    if (!im->disk_format || !im->container_format || strlen(im->disk_format) > FORMAT_MAX ||
        strlen(im->container_format) > FORMAT_MAX)
        return error_set(e, ERROR_INVALID, "The image has no formats, or such as cannot be.");
    if ((im->name && str_utf8_len(im->name, strlen(im->name)) > TEXT_MAX) ||
        (im->owner && str_utf8_len(im->owner, strlen(im->owner)) > TEXT_MAX))
        return error_set(e, ERROR_INVALID, "The image's name or owner is too long.");
    return 0;
}

/* The values as texts, which is how they are stored. */
static json_t *values_as_text(const struct image *im)
{
    json_t *ret = json_pack("{s:[]}", "tags");

    for (size_t i = 0; i < image_resource.n; i++) {
        const struct attribute *a = &image_resource.attributes[i];
        const char *text = attribute_get(a, im).text;

        if (a->writer == ATTRIBUTE_CLIENT && a->type == ATTRIBUTE_TEXT)
            json_object_set_new(ret, a->name, text ? json_string(text) : json_null());
    }
    for (size_t i = 0; i < im->n_tags; i++)
        json_array_append_new(json_object_get(ret, "tags"), json_string(im->tags[i]));
    for (size_t i = 0; i < im->n_properties; i++)
        json_object_set_new(ret, im->properties[i].name, json_string(im->properties[i].value));
    return ret;
}

/* Against the schema that a body of POST /v2/images has to match. Tasks also take numbers and booleans for
 * texts, so values may match as they were sent or as they are stored. */
static int values_check(const struct request *rq, const json_t *properties, const struct image *im,
                        struct error *e)
{
    CLEANUP(json_drop) json_t *texts = NULL;
    struct error ignored;

    if (schema_check_image(rq->settings->schema, properties, &ignored) == 0)
        return 0;
    texts = values_as_text(im);
    return schema_check_image(rq->settings->schema, texts, e);
}

static int image_describe(struct request *rq, const json_t *properties, struct image *im, struct error *e)
{
    char *id = arena_alloc(rq->arena, UUID_TEXT_MAX);
    const char *name;
    json_t *value;

    uuid_make(id);
    *im = (struct image){ .id = id };
    resource_init(&image_resource, im);
    if (!json_is_object(properties))
        return error_set(e, ERROR_INVALID, "'image_properties' is not an object.");
    json_object_foreach((json_t *)(uintptr_t)properties, name, value)
    {
        if ((schema_is_base(rq->settings->schema, name) ? base_read : property_read)(rq, im, name, value, e) <
            0)
            return -1;
    }
    if (columns_check(im, e) < 0 || image_allowed(rq, im, e) < 0)
        return -1;
    return quota_check(rq->settings->property_quota, image_properties_counted(im), "properties", e);
}

/* What a task fails for before anything is done for it, in its own words. */
static const char *hopeless(struct request *rq, const char *type, const json_t *input, struct image *im)
{
    static const char *const needed[] = { "import_from", "import_from_format", "image_properties" };
    const json_t *properties = json_object_get(input, "image_properties");
    struct error e;

    if (!str_eq(type, "import"))
        return json_object_size(input) == 0 ? arena_printf(rq->arena, "Input to %s task is empty.", type)
                                            : "Task failed due to Internal Error";
    for (size_t i = 0; i < COUNT(needed); i++)
        if (!json_object_get(input, needed[i]))
            return arena_printf(rq->arena, "Input does not contain '%s' field", needed[i]);
    if (image_describe(rq, properties, im, &e) < 0) {
        log_info("%s: a task that cannot be done: %s", rq->request_id, e.message);
        return "Task failed due to Internal Error";
    }
    return values_check(rq, properties, im, &e) < 0 ? arena_str(rq->arena, e.message) : NULL;
}

/* ---- rows ---- */

struct accepted {
    struct request *rq;
    struct task *task;
    struct image *image;
    const char *why; /* it is hopeless; NULL: it is not */
};

/* A task that is hopeless has failed when it is looked at for the first time. */
static int rows_add(struct db_conn *c, void *arg, struct error *e)
{
    const struct accepted *a = arg;
    struct request *rq = a->rq;
    struct task *t = a->task;
    const json_t *input = json_object_get(rq->body, "input");
    struct task_import job = {
        .url = json_string_value(json_object_get(input, "import_from")),
        .store = store_id(stores_default(rq->api->stores)),
        .several = stores_several(rq->api->stores),
        .storage_quota = rq->settings->storage_quota,
    };

    if (a->why) {
        int64_t expires = clock_now_us() + rq->settings->task_hours * 3600 * CLOCK_SECOND;

        return task_add(c, t, e) < 0 || task_end(c, t->id, false, NULL, a->why, expires, e) < 0 ? -1 : 0;
    }
    return task_import_add(c, a->image, t, &job, e);
}

static int rows_there(struct db_conn *c, void *arg, bool *ret, struct error *e)
{
    const struct accepted *a = arg;
    struct task *t;

    *ret = task_load(c, a->rq->arena, a->task->id, &t, e) == 0;
    return *ret || e->kind == ERROR_NOT_FOUND ? 0 : -1;
}

static const struct db_unit accept_unit = { "task.create", rows_add, rows_there };

static void task_fill(struct request *rq, struct task *t)
{
    enum { ID_MAX = 36 };
    const json_t *input = json_object_get(rq->body, "input");
    const char *image_id = json_string_value(json_object_get(input, "image_id"));
    CLEANUP(str_done) struct str text = STR_INIT;
    char *id = arena_alloc(rq->arena, UUID_TEXT_MAX);

    uuid_make(id);
    json_add_value(&text, input, true);
    *t = (struct task){
        .id = id,
        .type = json_string_value(json_object_get(rq->body, "type")),
        .owner = rq->identity.project,
        .image_id = image_id && *image_id && strlen(image_id) <= ID_MAX ? image_id : NULL,
        .request_id = rq->request_id,
        .user_id = rq->identity.user,
        .input = arena_str(rq->arena, str_text(&text)),
        .message = "",
    };
}

int task_create(struct request *rq, struct error *e)
{
    struct image *im = arena_new(rq->arena, struct image);
    const json_t *input;
    struct accepted a = { .rq = rq, .image = im };
    struct task t;

    if (request_allowed(rq, rq->route->rule, NULL, e) < 0 || request_json(rq, e) < 0 ||
        members_check(rq, e) < 0)
        return -1;
    input = json_object_get(rq->body, "input");
    task_fill(rq, &t);
    if ((str_eq(t.type, "import") && source_check(rq, input, e) < 0) || request_writes(rq, e) < 0)
        return -1;
    if (!t.owner)
        return error_set(e, ERROR_INVALID, "A task belongs to a project, and the request names none.");
    a.task = &t;
    a.why = hopeless(rq, t.type, input, im);
    if (request_write(rq, &accept_unit, &a, e) < 0)
        return -1;
    return task_created(rq, &t);
}
