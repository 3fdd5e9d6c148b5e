/* SPDX-License-Identifier: Apache-2.0 */
#include "api/core/access.h"

#include "fetch/fetch.h"

bool request_source(struct request *rq, const char *what, const char *url)
{
    struct error why;

    if (fetch_source_check(rq->settings->sources, url, &why) == 0)
        return true;
    log_info("%s: %s is refused: %s", rq->request_id, what, why.detail);
    return false;
}
