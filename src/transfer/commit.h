/* SPDX-License-Identifier: Apache-2.0 */
/* What a commit asks again, within its transaction. */
#ifndef TRANSFER_COMMIT_H
#define TRANSFER_COMMIT_H

#include "base/base.h"
#include "db/db.h"
#include "model/model.h"

/* The image has its formats, and may be given data: ERROR_INVALID in Glance's words. */
int image_formats_check(const struct image *im, struct error *e) MUST_CHECK;
/* Bytes that the project may still store, without counting this image; INT64_MAX where quota is 0: none. */
int storage_left(struct db_conn *c, int64_t quota, const char *project, const char *image_id, int64_t *ret,
                 struct error *e) MUST_CHECK;

#endif
