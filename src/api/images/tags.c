/* SPDX-License-Identifier: Apache-2.0 */
/* PUT and DELETE /v2/images/{image_id}/tags/{tag}. */
#include "api/images/images.h"

#include <string.h>

#include "api/core/access.h"
#include "api/core/conditional.h"
#include "api/core/respond.h"
#include "api/core/values.h"
#include "db/db.h"

static int load(struct request *rq, struct image **ret, struct error *e)
{
    if (request_image(rq, ret, e) < 0) {
        if (e->kind == ERROR_NOT_FOUND)
            error_as(e, 404, "Image %s not found.", rq->args[0]);
        return -1;
    }
    if (request_allowed(rq, rq->route->rule, *ret, e) < 0)
        return -1;
    if (request_owns(rq, rq->route->rule, *ret, e) < 0)
        return error_set(e, ERROR_FORBIDDEN, "Not allowed to %s tags for image %s.",
                         str_eq(rq->route->method, "DELETE") ? "delete" : "update", (*ret)->id);
    return request_conditions_on_nothing(rq, e);
}

static size_t find(const struct image *im, const char *tag)
{
    size_t i = 0;

    while (i < im->n_tags && !str_eq(im->tags[i], tag))
        i++;
    return i;
}

static int tag_check(const struct request *rq, const char *tag, struct error *e)
{
    CLEANUP(json_drop) json_t *probe = json_pack("{s:[s]}", "tags", tag);

    if (!probe)
        return error_set(e, ERROR_INVALID, "A tag must be UTF-8.");
    return schema_check_image(rq->settings->schema, probe, e);
}

/* An image over the quota refuses even a tag that it has, as Glance 33 does (quota/__init__.py). */
static int tag_quota_check(const struct request *rq, const struct image *im, size_t n, struct error *e)
{
    int64_t quota = rq->settings->tag_quota;

    if (quota < 0 || (int64_t)n <= quota)
        return 0;
    return error_set(e, ERROR_TOO_LARGE,
                     "Image tag limit exceeded for image %s: The limit has been exceeded on the number of "
                     "allowed image tags. Attempted: %zu, Maximum: %lld:",
                     im->id, n, (long long)quota);
}

static int add(struct request *rq, struct image *im, struct error *e)
{
    const char *tag = rq->args[1];

    if (find(im, tag) < im->n_tags)
        return tag_quota_check(rq, im, im->n_tags, e);
    if (tag_check(rq, tag, e) < 0 || tag_quota_check(rq, im, im->n_tags + 1, e) < 0)
        return -1;
    if (text_has_4byte(tag))
        return error_set(e, ERROR_INVALID, "Param values can't contain 4 byte unicode.");
    *ARENA_PUSH(rq->arena, im->tags, im->n_tags, im->cap_tags) = tag;
    return 0;
}

static int drop(struct request *rq, struct image *im, struct error *e)
{
    size_t i = find(im, rq->args[1]);

    if (i == im->n_tags)
        return error_set(e, ERROR_NOT_FOUND, "%s", "");
    memmove(im->tags + i, im->tags + i + 1, (--im->n_tags - i) * sizeof *im->tags);
    return 0;
}

static int add_run(struct db_conn *c, void *rq, struct error *e)
{
    struct image *im;

    return load(rq, &im, e) < 0 || add(rq, im, e) < 0 ? -1 : image_save(c, im, im->status, e);
}

static int drop_run(struct db_conn *c, void *rq, struct error *e)
{
    struct image *im;

    return load(rq, &im, e) < 0 || drop(rq, im, e) < 0 ? -1 : image_save(c, im, im->status, e);
}

/* The tag was there when the unit ran, and is not any more: as asked, by whomever. */
static int dropped(struct db_conn *c UNUSED, void *arg, bool *ret, struct error *e)
{
    struct request *rq = arg;
    struct image *im;

    if (load(rq, &im, e) < 0)
        return -1;
    *ret = find(im, rq->args[1]) == im->n_tags;
    return 0;
}

/* On the image as it is now. */
static int change(struct request *rq, const struct db_unit *unit, struct error *e)
{
    struct image *im;

    if (request_writes(rq, e) < 0 || load(rq, &im, e) < 0 || request_write(rq, unit, rq, e) < 0)
        return -1;
    return respond_empty(rq, 204, "text/html; charset=UTF-8");
}

int tag_add(struct request *rq, struct error *e)
{
    static const struct db_unit unit = { "tag.add", add_run, db_unit_idempotent };

    return change(rq, &unit, e);
}

int tag_delete(struct request *rq, struct error *e)
{
    static const struct db_unit unit = { "tag.delete", drop_run, dropped };

    return change(rq, &unit, e);
}
