/* SPDX-License-Identifier: Apache-2.0 */
/* Images for the comparison with QEMU: seeds, and changes of them that are likely to be read differently.
 * Everything follows from the random numbers: the same seed makes the same images. */
#ifndef TESTS_QEMU_MUTATE_H
#define TESTS_QEMU_MUTATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { IMAGE_MAX = 5 * 1024 * 1024, PAGE = 4096 };

struct image {
    uint8_t bytes[IMAGE_MAX];
    bool used[IMAGE_MAX / PAGE]; /* else the page is zeros */
    size_t size;
};

struct chance {
    uint64_t state;
};

uint64_t chance_next(struct chance *c);
size_t chance_below(struct chance *c, size_t n); /* n > 0 */

void image_clear(struct image *image);
/* What lies beyond IMAGE_MAX is cut; the file becomes longer where it has to. */
void image_put(struct image *image, size_t at, const void *bytes, size_t n);

/* Changes a seed in one to a dozen ways. names: files that texts refer to. */
struct mutation {
    bool text;   /* it is a descriptor, or has one */
    bool sparse; /* its descriptor is behind a header */
    const char *const *names;
    size_t n_names;
};
void image_mutate(struct image *image, const struct mutation *m, struct chance *c);

#endif
