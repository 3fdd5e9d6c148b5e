/* SPDX-License-Identifier: Apache-2.0 */
/* Image data: upload, download, staging. */
#ifndef API_DATA_DATA_H
#define API_DATA_DATA_H

#include "api/core/route.h"

handler image_upload, image_download, image_stage;

/* What uploads and staging have in common: the media type, the size that is announced (-1:
 * none), the project's quota, and the body's way with its answer. */
struct upload;
int upload_type_check(struct request *rq, struct error *e) MUST_CHECK;
int upload_size_read(struct request *rq, int64_t *ret, struct error *e) MUST_CHECK;
struct upload_options;
int upload_quota_read(struct request *rq, const struct image *im, struct upload_options *o,
                      struct error *e) MUST_CHECK;
int upload_body(struct request *rq, struct upload **up, struct error *e) MUST_CHECK;

#endif
