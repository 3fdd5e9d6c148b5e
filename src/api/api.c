/* SPDX-License-Identifier: Apache-2.0 */
#include "api/api.h"

#include "api/routes.h"

int api_open(struct config *c, const struct pipeline *p, struct api **ret, struct error *e)
{
    return api_open_with(&api_routes, c, p, ret, e);
}
