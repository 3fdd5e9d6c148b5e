/* SPDX-License-Identifier: Apache-2.0 */
/* Images as their caller may see them, and what the policy says. Texts are Glance's. */
#include "api/core/access.h"
#include "api/core/places.h"

void request_prepare(struct request *rq, struct image *im)
{
    request_hide(rq, im);
    locations_place(rq, im);
}

int request_image(struct request *rq, struct image **ret, struct error *e)
{
    return request_image_of(rq, rq->args[0], ret, e);
}

int request_image_of(struct request *rq, const char *id, struct image **ret, struct error *e)
{
    struct viewer viewer = identity_viewer(&rq->identity);
    struct db_conn *c;

    if (request_db(rq, &c, e) < 0)
        return -1;
    if (image_load(c, rq->arena, id, &viewer, ret, e) < 0)
        return -1;
    request_prepare(rq, *ret);
    return 0;
}

int request_allowed(struct request *rq, const char *rule, const struct image *im, struct error *e)
{
    struct policy_target target;

    if (im)
        policy_target_image(im, &rq->identity, &target);
    else
        policy_target_proposed(rq->identity.project, "private", &target);
    if (policy_allows(rq->rules, &rq->identity, rule, &target))
        return 0;
    if (im && !policy_allows(rq->rules, &rq->identity, "get_image", &target))
        return error_set(e, ERROR_NOT_FOUND, "%s", "");
    return error_set(e, ERROR_FORBIDDEN, "You are not authorized to complete %s action.", rule);
}

int request_owns(struct request *rq, const char *rule, const struct image *im, struct error *e)
{
    if (request_allowed(rq, rule, im, e) < 0)
        return -1;
    if (rq->settings->enforce_new_defaults || rq->identity.is_admin ||
        (im->owner && str_eq(im->owner, rq->identity.project)))
        return 0;
    return error_set(e, ERROR_FORBIDDEN, "You do not own this image");
}
