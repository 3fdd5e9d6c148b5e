/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an image: no crash, and the same verdict however the stream is cut.
 *
 * The input is a list of patches on a file of zeros (offset in 3 bytes, length in 2, little-endian, then the
 * bytes), after one byte that decides how the file is cut; so that what stands far behind is within reach.
 * tests/qemu/inspect.c asks the real QEMU about the same corpus. */
#include <stdlib.h>
#include <string.h>

#include "inspect/inspect.h"
#include "qemu/patches.h"

enum { IMAGE_MAX = 5 * 512 * 1024 };

/* Pieces of 1 to 4,096 bytes where the formats look, larger ones behind. */
static void look(const uint8_t *image, size_t size, unsigned seed, struct inspect_verdict *ret)
{
    CLEANUP(inspect_free) struct inspect *in = inspect_begin();
    size_t piece;

    for (size_t at = 0; at < size; at += piece) {
        seed = seed * 1103515245u + 12345u;
        piece = at < 4096 ? 1 + (seed >> 16) % 700 : 1 + (seed >> 10) % 200000;
        piece = piece < size - at ? piece : size - at;
        if (seed & 1 << 20 && inspect_unwanted(in) >= piece)
            inspect_skip(in, piece);
        else
            inspect_feed(in, image + at, piece);
    }
    inspect_end(in, ret);
}

static void decide(const struct inspect_verdict *v)
{
    static const char *const disk_formats[] = { "raw", "qcow2", "vmdk", "vhd",  "vhdx", "vdi",
                                                "iso", "ami",   "gpt",  "luks", "qed" };
    const struct inspect_policy policies[] = { { .require_match = true }, { .require_match = false } };

    for (size_t i = 0; i < COUNT(disk_formats) * COUNT(policies); i++) {
        int64_t virtual_size;
        struct error e;
        int rc = inspect_decide(v, disk_formats[i / 2], &policies[i % 2], &virtual_size, &e);

        /* Nothing that failed a check goes under its own name, or as raw. */
        if (rc == 0 && !v->safe && !v->incomplete && v->format &&
            (i / 2 == 0 || str_eq(v->format, disk_formats[i / 2])))
            abort();
        /* Nothing that refers to another file goes under any name. */
        if (rc == 0 && v->refers)
            abort();
        if (rc == 0 && (virtual_size < -1 || virtual_size == 0))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t n)
{
    static uint8_t image[IMAGE_MAX];
    struct inspect_verdict whole, cut;
    CLEANUP(inspect_free) struct inspect *in = inspect_begin();
    size_t size;

    if (n == 0)
        return 0;
    memset(image, 0, sizeof image);
    size = patches_apply(input + 1, n - 1, image, IMAGE_MAX);
    inspect_feed(in, image, size);
    inspect_end(in, &whole);
    look(image, size, input[0], &cut);
    if (memcmp(whole.formats, cut.formats, sizeof whole.formats) != 0 ||
        whole.virtual_size != cut.virtual_size || whole.has_virtual_size != cut.has_virtual_size ||
        whole.unsafe_check != cut.unsafe_check || whole.incomplete != cut.incomplete ||
        whole.refers != cut.refers || strcmp(whole.why, cut.why) != 0)
        abort();
    decide(&whole);
    return 0;
}
