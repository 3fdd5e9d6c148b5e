/* SPDX-License-Identifier: Apache-2.0 */
/* POST /v2/images/{image_id}/import. */
#ifndef API_IMPORTS_IMPORTS_H
#define API_IMPORTS_IMPORTS_H

#include "api/core/route.h"

handler image_import;

#endif
