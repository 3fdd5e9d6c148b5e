/* SPDX-License-Identifier: Apache-2.0 */
#include "image.h"

/* clang-format off */
enum { KIB = 1024, MIB = 1024 * 1024, REGIONS = 192 * KIB, ENTRY = REGIONS + 16, ITEMS = 2 * MIB + 32 };

#define BAT      "\x66\x77\xc2\x2d\x23\xf6\x00\x42\x9d\x64\x11\x5e\x9b\xfd\x4a\x08"
#define METADATA "\x06\xa2\x7c\x8b\x90\x47\x9a\x4b\xb8\xfe\x57\x5f\x05\x0f\x88\x6e"
#define SIZE     "\x24\x42\xa5\x2f\x1b\xcd\x76\x48\xb2\x11\x5d\xbe\xd8\x3b\xf4\xb8"

/* The second region is the metadata at 2 MiB, whose second item is the size, at 64 KiB in it. */
static const struct image_base base = { 3 * MIB, {
    AT(0, "vhdxfile"),
    AT(REGIONS, "regi\0\0\0\0\2"),
    AT(ENTRY, BAT "\0\0\60\0\0\0\0\0\0\0\20\0"),
    AT(ENTRY + 32, METADATA "\0\0\40\0\0\0\0\0\0\0\20\0"),
    AT(2 * MIB, "metadata\0\0\2"),
    AT(ITEMS, BAT "\10\0\1\0\10\0\0\0"),
    AT(ITEMS + 32, SIZE "\0\0\1\0\10\0\0\0"),
    AT(2 * MIB + 64 * KIB, "\3\2\1\0\0\0\0\0\xaa"),
} };

static const struct image_row rows[] = {
    { "vhdx", 0, { { 0 } }, "vhdx", 0x10203, NULL },
    { "vhdx that ends with the size", 2 * MIB + 64 * KIB + 8, { { 0 } }, "vhdx", 0x10203, NULL },
    { "vhdx that ends in the size", 2 * MIB + 64 * KIB + 7, { { 0 } }, "vhdx", NO_SIZE, "incomplete" },
    { "vhdx that ends in the metadata", 2 * MIB + 64 * KIB - 1, { { 0 } }, "vhdx", NO_SIZE, "incomplete" },
    { "vhdx that ends before the metadata", MIB, { { 0 } }, "vhdx", NO_SIZE, "incomplete" },
    { "vhdx that ends in the regions", REGIONS + 64 * KIB - 1, { { 0 } }, "vhdx", NO_SIZE, "incomplete" },
    { "vhdx of the signature alone", 8, { { 0 } }, "vhdx", NO_SIZE, "incomplete" },
    { "part of the signature of vhdx", 7, { { 0 } }, "", 7, NULL },
    { "vhdx without a region table", 0, { AT(REGIONS, "gone") }, "vhdx", 0, NULL },
    { "vhdx without regions", 0, { AT(REGIONS + 8, "\0") }, "vhdx", 0, NULL },
    { "vhdx with the metadata region uncounted", 0, { AT(REGIONS + 8, "\1") }, "vhdx", 0, NULL },
    { "vhdx with as many regions as may be", 0, { AT(REGIONS + 8, "\xff\7") }, "vhdx", 0x10203, NULL },
    { "vhdx with one region more", 0, { AT(REGIONS + 8, "\0\10") }, "vhdx", 0, NULL },
    { "vhdx with 4 billion regions", 0, { AT(REGIONS + 8, "\xff\xff\xff\xff") }, "vhdx", 0, NULL },
    { "vhdx without a metadata table", 0, { AT(2 * MIB, "gone") }, "vhdx", 0, NULL },
    { "vhdx without items", 0, { AT(2 * MIB + 10, "\0") }, "vhdx", 0, NULL },
    { "vhdx with as many items as may be", 0, { AT(2 * MIB + 10, "\xff\7") }, "vhdx", 0x10203, NULL },
    { "vhdx with one item more", 0, { AT(2 * MIB + 10, "\0\10") }, "vhdx", 0, NULL },
    { "vhdx without a size", 0, { AT(ITEMS + 32, BAT) }, "vhdx", 0, NULL },
    { "vhdx whose size is not a number", 0, { AT(ITEMS + 52, "\4") }, "vhdx", NO_SIZE, NULL },
    { "vhdx larger than the database can say", 0, { AT(2 * MIB + 64 * KIB + 7, "\x80") }, "vhdx", NO_SIZE, NULL },
    { "vhdx with the first of two metadata regions", 0, { AT(ENTRY, METADATA "\0\0\20\0") }, "vhdx", 0, NULL },
    { "vhdx with the first of two sizes", 0, { AT(ITEMS, SIZE), AT(2 * MIB + 64 * KIB + 8, "\7\0\0\0\0\0\0\0") }, "vhdx", 7, NULL },
    { "vhdx with the size one byte later", 0, { AT(ITEMS + 48, "\1"), AT(2 * MIB + 64 * KIB + 8, "\0") }, "vhdx", 0x102, NULL },
    { "vhdx whose size is inside the table", 0, { AT(ITEMS + 48, "\0\10\0"), AT(2 * MIB + 2048, "\5") }, "vhdx", 5, NULL },
    { "vhdx whose size crosses the end of the table", 0, { AT(ITEMS + 48, "\xfc\xff\0"), AT(2 * MIB + 65532, "\6") }, "vhdx",
      0x1020300000006, NULL },
    { "vhdx whose size lies beyond the file", 0, { AT(ITEMS + 48, "\xff\xff\xff\xff") }, "vhdx", NO_SIZE, "incomplete" },
    { "vhdx whose metadata lies beyond the file", 0, { AT(ENTRY + 48, "\0\0\0\1") }, "vhdx", NO_SIZE, "incomplete" },
    { "vhdx whose metadata lies at the end of all offsets", 0, { AT(ENTRY + 48, "\xff\xff\xff\xff\xff\xff\xff\xff") }, "vhdx", NO_SIZE,
      "incomplete" },
    { "vhdx whose metadata has gone by", 0, { AT(ENTRY + 48, "\0\0\1\0") }, "vhdx", NO_SIZE, "incomplete" },
    { "vhdx whose metadata is the region table", 0, { AT(ENTRY + 48, "\0\0\3\0") }, "vhdx", 0, NULL },
    { "vhdx whose metadata starts inside the region table", 0,
      { AT(ENTRY + 48, "\0\200\3\0"), AT(REGIONS + 32 * KIB, "metadata\0\0\1"), AT(REGIONS + 32 * KIB + 32, SIZE "\0\0\1\0\10\0\0\0"),
        AT(REGIONS + 96 * KIB, "\11") }, "vhdx", 9, NULL },
};
/* clang-format on */

static void vhdx(void **state UNUSED)
{
    image_rows_check(&base, rows, COUNT(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(vhdx) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
