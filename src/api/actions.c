/* SPDX-License-Identifier: Apache-2.0 */
/* POST /v2/images/{image_id}/actions/deactivate and reactivate: idempotent moves between active and
 * deactivated. */
#include "api/request.h"

#include "db/db.h"

static int move(struct request *rq, const char *action, enum image_status from, enum image_status to,
                struct error *e)
{
    struct image *im;
    struct db_conn *c;

    if (request_image(rq, &im, e) < 0 || request_owns(rq, rq->route->rule, im, e) < 0)
        return -1;
    if (im->status == to)
        return respond_empty(rq, 204, "text/html; charset=UTF-8");
    if (im->status != from)
        return error_set(e, ERROR_FORBIDDEN, "Not allowed to %s image in status '%s'", action,
                         image_status_name(im->status));
    if (request_db(rq, &c, e) < 0 || db_begin_write(c, e) < 0)
        return -1;
    if (image_status_set(c, im->id, from, to, e) < 0) {
        db_rollback(c);
        return -1;
    }
    if (db_commit(c, e) < 0)
        return -1;
    return respond_empty(rq, 204, "text/html; charset=UTF-8");
}

int image_deactivate(struct request *rq, struct error *e)
{
    return move(rq, "deactivate", IMAGE_ACTIVE, IMAGE_DEACTIVATED, e);
}

int image_reactivate(struct request *rq, struct error *e)
{
    return move(rq, "reactivate", IMAGE_DEACTIVATED, IMAGE_ACTIVE, e);
}
