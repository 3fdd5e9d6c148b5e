/* SPDX-License-Identifier: Apache-2.0 */
/* For clang-tidy only: its analyzer does not look into error.c, and must know that these always return -1. */
#include "base/error.h"

#define error_set(...)    (error_set(__VA_ARGS__), -1)
#define error_errno(...)  (error_errno(__VA_ARGS__), -1)
#define error_detail(...) (error_detail(__VA_ARGS__), -1)
#define error_as(...)     (error_as(__VA_ARGS__), -1)
