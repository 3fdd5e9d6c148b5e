/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of disk images for the inspectors' tests: a row says which bytes stand where in a file of zeros
 * and what the verdict on it is. Every row is fed whole and in pieces of several sizes. */
#ifndef TESTS_UNIT_INSPECT_IMAGE_H
#define TESTS_UNIT_INSPECT_IMAGE_H

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

#include "inspect/inspect.h"

struct patch {
    uint64_t at;
    size_t n;
    const char *bytes;
};
/* clang-format off */
#define AT(offset, literal) { (offset), sizeof(literal) - 1, (literal) }
/* clang-format on */

enum { NO_SIZE = -1 };

struct image_row {
    const char *name;
    size_t size; /* 0: the base's */
    struct patch patches[6];
    const char *formats;  /* "qcow2", "iso,gpt"; "" is raw */
    int64_t virtual_size; /* NO_SIZE: the verdict has none */
    const char *check;    /* the failed one, NULL when safe */
};

/* What all rows of a table start from. */
struct image_base {
    size_t size;
    struct patch patches[8];
};

struct image {
    size_t n;
    uint8_t *bytes;
};

static inline void image_done(struct image *image)
{
    mem_free(image->bytes);
}

/* Patches that lie beyond the end are cut: a shorter size makes a truncated file. */
static inline void image_patch(struct image *image, const struct patch *patches, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < patches[i].n && patches[i].at + j < image->n; j++)
            image->bytes[patches[i].at + j] = (uint8_t)patches[i].bytes[j];
}

static inline struct image image_build(const struct image_base *base, const struct image_row *row)
{
    struct image image = { row->size ? row->size : base->size, NULL };

    image.bytes = mem_new(image.n);
    image_patch(&image, base->patches, COUNT(base->patches));
    image_patch(&image, row->patches, COUNT(row->patches));
    return image;
}

static inline void inspect_image(const struct image *image, size_t piece, struct inspect_verdict *ret)
{
    CLEANUP(inspect_free) struct inspect *in = inspect_begin();

    for (size_t at = 0; at < image->n; at += piece)
        inspect_feed(in, image->bytes + at, image->n - at < piece ? image->n - at : piece);
    inspect_end(in, ret);
}

/* The same by who reads only what is wanted. */
static inline void inspect_wanted(const struct image *image, size_t piece, struct inspect_verdict *ret)
{
    CLEANUP(inspect_free) struct inspect *in = inspect_begin();
    size_t n;

    for (size_t at = 0; at < image->n; at += n) {
        uint64_t skip = inspect_unwanted(in);

        n = image->n - at;
        if (skip > 0) {
            n = skip < n ? (size_t)skip : n;
            inspect_skip(in, n);
        } else {
            n = n < piece ? n : piece;
            inspect_feed(in, image->bytes + at, n);
        }
    }
    inspect_end(in, ret);
}

/* With INSPECT_DUMP=DIR every image is also written there, for asking another program about the bytes. */
static inline void image_dump(const struct image *image, const char *name)
{
    const char *dir = getenv("INSPECT_DUMP");
    char path[512];
    FILE *f;
    int n;

    if (!dir)
        return;
    n = snprintf(path, sizeof path, "%s/", dir);
    snprintf(path + n, sizeof path - (size_t)n, "%s", name);
    for (char *c = path + n; *c; c++)
        if (!isalnum((unsigned char)*c))
            *c = '-';
    f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(image->bytes, 1, image->n, f), image->n);
    fclose(f);
}

static inline void image_check(const struct image *image, const char *name, const char *formats,
                               int64_t virtual_size, const char *check)
{
    const size_t pieces[] = { image->n + 1, 65536, 4096, 511, 13, 1 };
    CLEANUP(str_done) struct str names = STR_INIT;
    char why[sizeof((struct inspect_verdict *)0)->why] = "";

    image_dump(image, name);
    for (size_t p = 0; p < 2 * COUNT(pieces); p++) {
        size_t piece = pieces[p / 2];
        struct inspect_verdict v;

        if (image->n / piece > 6000)
            continue;
        (p % 2 ? inspect_wanted : inspect_image)(image, piece, &v);
        str_clear(&names);
        for (size_t i = 0; i < v.n_formats; i++)
            str_addf(&names, "%s%s", i ? "," : "", v.formats[i]);
        if (!str_eq(str_text(&names), formats) || !str_eq(v.unsafe_check, check) || v.safe != !check ||
            v.has_virtual_size != (virtual_size != NO_SIZE) || v.bytes != image->n ||
            (v.has_virtual_size && v.virtual_size != (uint64_t)virtual_size))
            fail_msg("%s, pieces of %zu: formats %s, size %lld, check %s (%s)", name, piece, str_text(&names),
                     v.has_virtual_size ? (long long)v.virtual_size : -1,
                     v.unsafe_check ? v.unsafe_check : "none", v.why);
        if (p == 0)
            str_copy(why, sizeof why, v.why);
        else if (!str_eq(why, v.why))
            fail_msg("%s, pieces of %zu: %s, but as a whole: %s", name, piece, v.why, why);
    }
}

static inline void image_rows_check(const struct image_base *base, const struct image_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        CLEANUP(image_done) struct image image = image_build(base, &rows[i]);

        image_check(&image, rows[i].name, rows[i].formats, rows[i].virtual_size, rows[i].check);
    }
}

#endif
