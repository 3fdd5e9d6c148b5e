/* SPDX-License-Identifier: Apache-2.0 */
/* UUIDs as text, 8-4-4-4-12 (RFC 9562). */
#ifndef BASE_UUID_H
#define BASE_UUID_H

#include <stdbool.h>

enum { UUID_TEXT_MAX = 37 };

void uuid_make(char out[UUID_TEXT_MAX]); /* version 4, lower case */
bool uuid_valid(const char *text);       /* hex digits of either case, dashes in their places */

#endif
