/* SPDX-License-Identifier: Apache-2.0 */
/* Private to api/: which pages of other origins may read answers (oslo.middleware's cors filter; the W3C's
 * recommendation on cross-origin resource sharing, sections 6.1 and 6.2). */
#ifndef API_CORE_CORS_H
#define API_CORE_CORS_H

#include "conf/conf.h"

struct request;

/* Read once; origins are compared as they are written, as the original does. */
struct cors {
    const char *const *origins, *const *methods, *const *headers;
    size_t n_origins, n_methods, n_headers;
    bool credentials;
    int64_t max_age;    /* seconds; 0: not told */
    const char *expose; /* joined by commas; "" */
};

/* From the filter's section and [cors]; memory from the arena. */
int cors_make(struct arena *a, const struct filter *f, const struct config *c, const struct cors **ret,
              struct error *e) MUST_CHECK;
/* Adds to the answer's headers what the request's origin may have; nothing for an origin that is not listed.
 */
void cors_decorate(struct request *rq);

#endif
