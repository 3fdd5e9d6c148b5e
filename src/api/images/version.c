/* SPDX-License-Identifier: Apache-2.0 */
#include "api/core/conditional.h"
#include "api/images/images.h"

const char *image_etag(struct request *rq, const struct image *im)
{
    CLEANUP(str_done) struct str body = STR_INIT;
    struct image_doc_options doc = image_doc_options(rq, im);

    image_doc_write(&body, im, &doc);
    return document_etag(rq, &body);
}

int request_image_conditions(struct request *rq, const struct image *im, struct error *e)
{
    return request_is_conditional(rq) ? request_version_conditions(rq, image_etag(rq, im), im->updated_us, e)
                                      : 0;
}
