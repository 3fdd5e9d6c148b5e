/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that another host has to do. */
#ifndef API_CORE_ELSEWHERE_H
#define API_CORE_ELSEWHERE_H

#include "api/core/request.h"

/* An import or a deletion of an image whose data another host has staged is passed on to it.
 * *ret_done: that host has done it, and this one answers as if it had been here. -1: its refusal, or 502 and
 * 504 where an import could not be passed on; a deletion goes on here then. Waits for the other host, at most
 * a minute, with no database connection held. */
int request_elsewhere(struct request *rq, const struct image *im, bool *ret_done, struct error *e) MUST_CHECK;

#endif
