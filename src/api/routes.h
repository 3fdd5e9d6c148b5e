/* SPDX-License-Identifier: Apache-2.0 */
/* The table of routes. */
#ifndef API_ROUTES_H
#define API_ROUTES_H

#include "api/core/route.h"

extern const struct route_table api_routes;

#endif
