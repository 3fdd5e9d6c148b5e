/* SPDX-License-Identifier: Apache-2.0 */
/* Private to images/: what of a listing's query string filters images. */
#ifndef API_IMAGES_FILTERS_H
#define API_IMAGES_FILTERS_H

#include "api/core/listing.h"
#include "model/model.h"

/* Takes every tag=… out and makes filters of them. */
void list_tags_pop(struct arena *a, struct list_params *p, struct image_query *q);
/* What is refused before the database is asked. */
int list_filters_check(const struct list_params *p, struct error *e) MUST_CHECK;
/* The rest of the parameters as filters; of a repeated name the last value counts. */
int list_filters_make(struct arena *a, const struct list_params *p, struct image_query *q,
                      struct error *e) MUST_CHECK;

#endif
