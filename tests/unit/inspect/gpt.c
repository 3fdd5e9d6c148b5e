/* SPDX-License-Identifier: Apache-2.0 */
#include "image.h"

/* clang-format off */
#define LINUX      "\0\40\41\0\x83\xfe\xff\xff\0\10\0\0\0\20\0\0"
#define PROTECTIVE "\0\0\2\0\xee\xff\xff\xff\1\0\0\0\xff\7\0\0"

static const struct image_base base = { 1024, { AT(510, "\x55\xaa") } };

static const struct image_row rows[] = {
    { "mbr with a partition", 0, { AT(446, LINUX) }, "gpt", 1024, NULL },
    { "mbr with boot code", 0, { AT(0, "\xeb\x63\x90"), AT(446, LINUX) }, "gpt", 1024, NULL },
    { "mbr of one sector", 512, { AT(446, LINUX) }, "gpt", 512, NULL },
    { "mbr one byte short", 511, { AT(446, LINUX) }, "", 511, NULL },
    { "mbr with the signature the other way round", 0, { AT(446, LINUX), AT(510, "\xaa\x55") }, "", 1024, NULL },
    { "mbr with a bootable partition", 0, { AT(446, LINUX), AT(446, "\x80") }, "gpt", 1024, NULL },
    { "mbr with two bootable partitions", 0, { AT(446, LINUX), AT(446, "\x80"), AT(462, LINUX), AT(462, "\x80") }, "gpt", 1024, NULL },
    { "mbr with the last partition only", 0, { AT(494, LINUX) }, "gpt", 1024, NULL },
    { "mbr with a boot flag of 1", 0, { AT(446, LINUX), AT(446, "\1") }, "gpt", 1024, "mbr" },
    { "mbr with a boot flag of 255", 0, { AT(446, LINUX), AT(446, "\xff") }, "gpt", 1024, "mbr" },
    { "mbr with a boot flag of 129 on an unused entry", 0, { AT(446, LINUX), AT(478, "\x81") }, "gpt", 1024, "mbr" },
    { "mbr without partitions", 0, { { 0 } }, "gpt", 1024, "mbr" },
    { "mbr with a partition of type 0", 0, { AT(446, LINUX), AT(450, "\0") }, "gpt", 1024, "mbr" },
    { "gpt", 0, { AT(446, PROTECTIVE) }, "gpt", 1024, NULL },
    { "gpt that is bootable", 0, { AT(446, PROTECTIVE), AT(446, "\x80") }, "gpt", 1024, NULL },
    { "gpt with a bootable unused entry", 0, { AT(446, PROTECTIVE), AT(462, "\x80") }, "gpt", 1024, NULL },
    { "gpt of no length", 0, { AT(446, PROTECTIVE), AT(458, "\0\0\0\0") }, "gpt", 1024, NULL },
    { "gpt that starts at block 0", 0, { AT(446, PROTECTIVE), AT(454, "\0") }, "gpt", 1024, "mbr" },
    { "gpt that starts at block 2048", 0, { AT(446, PROTECTIVE), AT(454, "\0\10") }, "gpt", 1024, "mbr" },
    { "gpt that starts at head 1", 0, { AT(446, PROTECTIVE), AT(447, "\1") }, "gpt", 1024, "mbr" },
    { "gpt that starts at sector 1", 0, { AT(446, PROTECTIVE), AT(448, "\1") }, "gpt", 1024, "mbr" },
    { "gpt that starts at cylinder 1", 0, { AT(446, PROTECTIVE), AT(449, "\1") }, "gpt", 1024, "mbr" },
    { "gpt with a partition beside it", 0, { AT(446, PROTECTIVE), AT(462, LINUX) }, "gpt", 1024, "mbr" },
    { "gpt behind a partition", 0, { AT(446, LINUX), AT(462, PROTECTIVE) }, "gpt", 1024, "mbr" },
    { "gpt in the second entry", 0, { AT(462, PROTECTIVE) }, "gpt", 1024, "mbr" },
    { "gpt twice", 0, { AT(446, PROTECTIVE), AT(462, PROTECTIVE) }, "gpt", 1024, "mbr" },
    { "fat boot sector", 0, { AT(0, "\xeb\x3c\x90mkfs.fat"), AT(16, "\2"), AT(21, "\xf8") }, "", 1024, NULL },
    { "fat boot sector with a partition table", 0, { AT(16, "\2"), AT(21, "\xf8"), AT(446, LINUX) }, "", 1024, NULL },
    { "fat with one copy of its table", 0, { AT(16, "\1"), AT(21, "\xf8") }, "gpt", 1024, "mbr" },
    { "fat of a floppy disk", 0, { AT(16, "\2"), AT(21, "\xf0") }, "gpt", 1024, "mbr" },
};
/* clang-format on */

static void gpt(void **state UNUSED)
{
    image_rows_check(&base, rows, COUNT(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(gpt) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
