/* SPDX-License-Identifier: Apache-2.0 */
/* Private to api/: what a load balancer asks (oslo.middleware 8.2, healthcheck). */
#ifndef API_CORE_HEALTHCHECK_H
#define API_CORE_HEALTHCHECK_H

#include "conf/conf.h"

struct healthcheck;

/* One mount of the pipeline with its options; memory from the arena. -1: an option that cannot be. */
int healthcheck_make(struct arena *a, const struct healthcheck_mount *m, const struct config *c,
                     const struct healthcheck **ret, struct error *e) MUST_CHECK;

#endif
