/* SPDX-License-Identifier: Apache-2.0 */
/* What clients see of stores. */
#ifndef API_STORES_STORES_H
#define API_STORES_STORES_H

#include "api/core/route.h"

handler info_import_show, info_stores_show, info_stores_detail_show, info_usage_show;
handler store_image_delete;

#endif
