/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the formats that zlib reads. */
#ifndef UNPACK_DEFLATE_H
#define UNPACK_DEFLATE_H

#include <zlib.h>

#include "unpack/unpack.h"

enum { UNPACK_ONCE = 1 << 30 /* what zlib's counters hold */ };

struct zlib {
    __typeof__(inflateInit2_) *init2;
    __typeof__(inflate) *inflate;
    __typeof__(inflateReset) *reset;
    __typeof__(inflateEnd) *end;
    __typeof__(crc32_z) *crc32;
};
const struct zlib *unpack_zlib(void); /* NULL: it is not there */

#endif
