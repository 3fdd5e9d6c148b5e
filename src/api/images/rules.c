/* SPDX-License-Identifier: Apache-2.0 */
/* What holds for an image whoever asks and however: permission, ownership, values, quotas. Texts are
 * Glance's. */
#include "api/images/images.h"

#include <ctype.h>
#include <string.h>

#include "api/core/values.h"

int image_visibility_allowed(struct request *rq, const struct policy_target *target, enum image_visibility to,
                             struct error *e)
{
    const char *rule = to == IMAGE_PUBLIC      ? "publicize_image"
                       : to == IMAGE_COMMUNITY ? "communitize_image"
                                               : NULL;

    if (!rule || policy_allows(rq->rules, &rq->identity, rule, target))
        return 0;
    return error_set(e, ERROR_FORBIDDEN, "You are not authorized to complete %s action.", rule);
}

static size_t counted(const struct image_property *items, size_t n)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++)
        count += !str_starts(items[i].name, "os_glance");
    return count;
}

size_t image_properties_counted(const struct image *im)
{
    return counted(im->properties, im->n_properties) + counted(im->hidden, im->n_hidden);
}

static int number_set(const char *name, const json_t *value, int64_t *ret, struct error *e)
{
    double real = json_number_value(value);

    if (real < 0)
        return error_set(
            e, ERROR_INVALID, "Invalid value '%lld' for parameter '%s': Cannot be a negative value",
            json_is_integer(value) ? (long long)json_integer_value(value) : (long long)real, name);
    if (real > INT32_MAX)
        *ret = INT64_MAX; /* for image_storable_check() */
    else
        *ret = json_is_integer(value) ? json_integer_value(value) : (int64_t)real;
    return 0;
}

static int number_storable(int64_t value, const char *name, struct error *e)
{
    if (value <= INT32_MAX)
        return 0;
    return error_set(e, ERROR_INVALID, "'%s' value out of range, must not exceed 2147483647.", name);
}

static int properties_storable(const struct image *im, struct error *e)
{
    for (size_t i = 0; i < im->n_properties; i++) {
        const struct image_property *p = &im->properties[i];

        if (text_has_4byte(p->name))
            return error_set(e, ERROR_INVALID, "Property names can't contain 4 byte unicode.");
        if (p->value && text_storable(p->value, p->name, e) < 0)
            return -1;
    }
    return 0;
}

/* Numbers are asked from the last to the first, as Glance does. */
int image_storable_check(const struct image *im, struct error *e)
{
    for (size_t i = 0; i < image_resource.n; i++) {
        const struct attribute *a = &image_resource.attributes[i];
        struct attribute_value v = attribute_get(a, im);

        if (a->writer == ATTRIBUTE_CLIENT && a->type == ATTRIBUTE_TEXT && v.text &&
            text_storable(v.text, a->name, e) < 0)
            return -1;
    }
    if (properties_storable(im, e) < 0)
        return -1;
    for (size_t i = image_resource.n; i > 0; i--) {
        const struct attribute *a = &image_resource.attributes[i - 1];

        if (a->type == ATTRIBUTE_NUMBER && number_storable(attribute_get(a, im).number, a->name, e) < 0)
            return -1;
    }
    for (size_t i = 0; i < im->n_tags; i++)
        if (text_has_4byte(im->tags[i]))
            return error_set(e, ERROR_INVALID, "Param values can't contain 4 byte unicode.");
    return 0;
}

static void tags_set(struct request *rq, struct image *im, const json_t *value)
{
    im->tags = NULL;
    im->n_tags = im->cap_tags = 0;
    for (size_t i = 0; i < json_array_size(value); i++) {
        const char *tag = json_string_value(json_array_get(value, i));

        *ARENA_PUSH(rq->arena, im->tags, im->n_tags, im->cap_tags) = arena_str(rq->arena, tag);
    }
    image_tags_unique(rq->arena, im);
}

/* Sets one attribute from a value that has passed the schema. */
int image_set_base(struct request *rq, struct image *im, const char *name, const json_t *value,
                   struct error *e)
{
    const struct attribute *a = attribute_find(&image_resource, name);
    void *at = a ? (char *)im + a->at : NULL;
    int number;

    if (!a || a->writer != ATTRIBUTE_CLIENT)
        return 0;
    switch (a->type) {
    case ATTRIBUTE_NUMBER:
        return number_set(name, value, at, e);
    case ATTRIBUTE_TEXT:
        *(const char **)at = arena_str(rq->arena, json_string_value(value));
        break;
    case ATTRIBUTE_BOOL:
        *(bool *)at = json_is_true(value);
        break;
    case ATTRIBUTE_ENUM:
        if (a->parse(json_string_value(value), &number))
            memcpy(at, &number, sizeof number);
        break;
    case ATTRIBUTE_NONE:
        if (str_eq(name, "tags"))
            tags_set(rq, im, value);
        break;
    case ATTRIBUTE_SIZE:
    case ATTRIBUTE_TIME:
        break;
    }
    return 0;
}

struct image_doc_options image_doc_options(const struct request *rq, const struct image *im)
{
    return (struct image_doc_options){
        .show_direct_url = rq->settings->show_direct_url,
        .show_locations = rq->settings->show_locations,
        .hide_locations = im->status == IMAGE_DEACTIVATED && !rq->identity.is_admin,
    };
}
