/* SPDX-License-Identifier: Apache-2.0 */
/* Images, their locations and tags, and the schemas. */
#ifndef API_IMAGES_IMAGES_H
#define API_IMAGES_IMAGES_H

#include "api/core/route.h"

handler image_create, image_show, image_delete_handle;
handler image_list_handle;
handler image_patch;
handler image_deactivate, image_reactivate;
handler location_list, location_add;
handler tag_add, tag_delete;
handler schema_image_show, schema_images_show, schema_document_show;

/* ---- shared by the handlers ---- */

int image_set_base(struct request *rq, struct image *im, const char *name, const json_t *value,
                   struct error *e) MUST_CHECK;
/* What Glance's database layer refuses of an image, after everything else: 4-byte characters and numbers that
 * do not fit. To be asked before an image is written whose values a client has set: ERROR_INVALID. */
int image_storable_check(const struct image *im, struct error *e) MUST_CHECK;
/* How many properties count against image_property_quota: also those that this caller cannot see, and none of
 * the service's own. */
size_t image_properties_counted(const struct image *im);
int image_visibility_allowed(struct request *rq, const struct policy_target *target, enum image_visibility to,
                             struct error *e) MUST_CHECK;
struct image_doc_options image_doc_options(const struct request *rq, const struct image *im);

/* One change of /locations (locations.c), to the image in memory. Stores are asked only outside a write
 * transaction; inside one the answers of before count. */
int locations_change(struct request *rq, struct image *im, const struct patch_change *c,
                     struct error *e) MUST_CHECK;
/* Bytes that Python's bytearray.fromhex() makes of the text: blanks may stand between two; -1 when it
 * refuses. */
ssize_t hex_size(const char *text);

/* Conditions of a change to the image, whose version is the document that the caller would be shown. */
int request_image_conditions(struct request *rq, const struct image *im, struct error *e) MUST_CHECK;
/* The ETag of that document; NULL: none could be made. */
const char *image_etag(struct request *rq, const struct image *im);

#endif
