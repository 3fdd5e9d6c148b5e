/* SPDX-License-Identifier: Apache-2.0 */
/* How the fuzzer and what it loads into qemu-img speak; see opens.c. */
#ifndef TESTS_QEMU_OPENS_H
#define TESTS_QEMU_OPENS_H

enum { OPENS_IN = 198, OPENS_OUT = 199, OPENS_SECONDS = 10 };

#define OPENS_END 0xffffffffu

#endif
