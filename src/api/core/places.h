/* SPDX-License-Identifier: Apache-2.0 */
/* Which store data go to and come from, as clients name stores. */
#ifndef API_CORE_PLACES_H
#define API_CORE_PLACES_H

#include "api/core/request.h"

/* The ids of the stores, where clients know stores by id. */
void stores_add_header(struct request *rq);
/* Where new data goes: to the store that the request names, or to the default. */
struct store;
int store_asked_for(struct request *rq, struct store **ret, struct error *e) MUST_CHECK;
/* The metadata of a new location in that store. */
const char *location_metadata_of(struct request *rq, const struct store *s);

/* Names the store of each location and puts the heaviest first, where there are several stores. */
void locations_place(struct request *rq, struct image *im);
/* The stores that the download's query prefers, before the others. */
int locations_prefer(struct request *rq, struct image *im, struct error *e) MUST_CHECK;

#endif
