/* SPDX-License-Identifier: Apache-2.0 */
/* PUT /v2/images/{image_id}/stage: data that wait for an import. The order of the checks is Glance 33's
 * (api/v2/image_data.py stage() and the wire). */
#include "api/data/data.h"

#include "api/core/access.h"
#include "api/core/conditional.h"
#include "store/store.h"
#include "transfer/upload.h"

static int stage_prepare(struct request *rq, struct image **ret, struct upload_options *o, struct error *e)
{
    struct image *im;

    if (!import_method_enabled(rq->settings, "glance-direct"))
        return error_set(e, ERROR_NOT_FOUND, "'glance-direct' method is not available at this site.");
    if (upload_type_check(rq, e) < 0 || upload_size_read(rq, &o->declared_size, e) < 0)
        return -1;
    if (request_writes(rq, e) < 0 || request_image(rq, &im, e) < 0 ||
        request_owns(rq, rq->route->rule, im, e) < 0 ||
        image_status_check(im->status, IMAGE_UPLOADING, e) < 0 ||
        request_conditions_on_nothing(rq, e) < 0 || /* there is no data yet */
        upload_quota_read(rq, im, o, e) < 0)
        return -1;
    *ret = im;
    return 0;
}

int image_stage(struct request *rq, struct error *e)
{
    CLEANUP(upload_abort) struct upload *up = NULL; /* leaving early: data gone, back to queued */
    struct upload_options o = {
        .db = rq->api->db,
        .store = stores_staging(rq->api->stores),
        .metadata = "{}",
        .hashing_algorithm = rq->settings->hashing_algorithm,
        .size_cap = rq->settings->size_cap,
        .stage = true,
        .stage_dir = stores_staging_dir(rq->api->stores),
        .stage_host = rq->settings->hosts.self,
    };
    struct image *im = NULL;

    if (stage_prepare(rq, &im, &o, e) < 0)
        return -1;
    if (!o.store)
        return error_set(e, ERROR_GONE, "Error in store configuration. Adding images to store is disabled.");
    request_db_release(rq); /* a connection is not held while bytes move */
    return upload_begin(rq->arena, im, &o, &up, e) < 0 ? -1 : upload_body(rq, &up, e);
}
