/* SPDX-License-Identifier: Apache-2.0 */
/* POST /v2/images/{image_id}/actions/deactivate and reactivate: idempotent moves between active and
 * deactivated. */
#include "api/images/images.h"

#include "api/core/access.h"
#include "api/core/conditional.h"
#include "api/core/respond.h"
#include "db/db.h"

struct action {
    const char *name;
    enum image_status from, to;
};

/* The image, where the action may be done to it or has been done already. */
static int load(struct request *rq, const struct action *action, struct image **ret, struct error *e)
{
    if (request_image(rq, ret, e) < 0 || request_owns(rq, rq->route->rule, *ret, e) < 0)
        return -1;
    if ((*ret)->status == action->from || (*ret)->status == action->to)
        return request_conditions_on_nothing(rq, e);
    return error_set(e, ERROR_FORBIDDEN, "Not allowed to %s image in status '%s'", action->name,
                     image_status_name((*ret)->status));
}

struct moving {
    struct request *rq;
    const struct action *action;
};

/* Of several callers at once one moves it, and the others find it moved. */
static int move_row(struct db_conn *c, void *arg, struct error *e)
{
    const struct moving *m = arg;
    struct image *im;

    if (load(m->rq, m->action, &im, e) < 0)
        return -1;
    return im->status == m->action->from ? image_status_set(c, im->id, m->action->from, m->action->to, e) : 0;
}

static int move(struct request *rq, const struct action *action, struct error *e)
{
    static const struct db_unit unit = { "image.action", move_row, db_unit_idempotent };
    struct image *im;

    if (request_writes(rq, e) < 0 || load(rq, action, &im, e) < 0)
        return -1;
    if (im->status == action->from && request_write(rq, &unit, &(struct moving){ rq, action }, e) < 0)
        return -1;
    return respond_empty(rq, 204, "text/html; charset=UTF-8");
}

int image_deactivate(struct request *rq, struct error *e)
{
    static const struct action deactivate = { "deactivate", IMAGE_ACTIVE, IMAGE_DEACTIVATED };

    return move(rq, &deactivate, e);
}

int image_reactivate(struct request *rq, struct error *e)
{
    static const struct action reactivate = { "reactivate", IMAGE_DEACTIVATED, IMAGE_ACTIVE };

    return move(rq, &reactivate, e);
}
