/* SPDX-License-Identifier: Apache-2.0 */
/* Image files as the corpus of fuzz-inspect keeps them: a list of patches on a file of zeros, each its offset
 * in 3 bytes, its length in 2, little-endian, and its bytes. The file ends with the last patch. */
#ifndef TESTS_QEMU_PATCHES_H
#define TESTS_QEMU_PATCHES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The size of the file; image has room for max bytes and is all zeros. */
static inline size_t patches_apply(const uint8_t *input, size_t n, uint8_t *image, size_t max)
{
    size_t size = 0;

    while (n > 5) {
        size_t at = (input[0] | (size_t)input[1] << 8 | (size_t)input[2] << 16) % max;
        size_t len = input[3] | (size_t)input[4] << 8;

        input += 5;
        n -= 5;
        len = len < n ? len : n;
        len = len < max - at ? len : max - at;
        memcpy(image + at, input, len);
        size = at + len > size ? at + len : size;
        input += len;
        n -= len;
    }
    return size;
}

#endif
