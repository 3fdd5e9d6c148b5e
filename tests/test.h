/* SPDX-License-Identifier: Apache-2.0 */
/* What every unit test includes: cmocka in its required order, and a way to name the row of a table. */
#ifndef TESTS_TEST_H
#define TESTS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base.h"

#define CHECK_CASE(name, condition)                                                                          \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            fail_msg("%s: %s", (name), #condition);                                                          \
    } while (0)

#endif
