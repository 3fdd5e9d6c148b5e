/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked around the routes. */
#ifndef API_CORE_BEFORE_H
#define API_CORE_BEFORE_H

#include "api/core/request.h"
#include "api/core/route.h"

/* What stands before the routes. *ret_done: answered; on failure no other handler may answer. */
int healthcheck_answer(struct request *rq, bool *ret_done, struct error *e) MUST_CHECK;
bool versions_asked(const struct request *rq); /* the path is the versions document's own */
bool versions_answer(struct request *rq);      /* true: answered */
void forwarded_read(struct request *rq);
/* http_service.holder. */
uint64_t request_holder(const struct settings *s, struct http_request *http);

/* What was answered, for the metrics. */
void metrics_count(const struct request *rq, const struct route *route, int64_t us);

#endif
