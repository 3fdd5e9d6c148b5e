/* SPDX-License-Identifier: Apache-2.0 */
/* What holds for values of any resource. */
#ifndef API_CORE_VALUES_H
#define API_CORE_VALUES_H

#include "base/base.h"

/* 4-byte characters cannot be stored everywhere: 400 with Glance's text, which begins with the attribute's
 * name. */
int text_storable(const char *text, const char *name, struct error *e) MUST_CHECK;
bool text_has_4byte(const char *text); /* UTF-8 */
/* ERROR_TOO_LARGE in Glance's words where there are more than that; limit negative: none. */
int quota_check(int64_t limit, size_t n, const char *what, struct error *e) MUST_CHECK;

#endif
