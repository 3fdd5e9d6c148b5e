/* SPDX-License-Identifier: Apache-2.0 */
#include "image.h"

/* clang-format off */
/* A primary volume descriptor: 100 blocks of 2,048. */
static const struct image_base base = { 40000, { AT(32768, "\1CD001\1"), AT(32848, "d\0\0\0\0\0\0d"), AT(32896, "\0\10\10\0") } };

static const struct image_row rows[] = {
    { "iso", 0, { { 0 } }, "iso", 204800, NULL },
    { "iso with blocks of 512", 0, { AT(32896, "\0\2") }, "iso", 51200, NULL },
    { "iso as large as can be", 0, { AT(32848, "\xff\xff\xff\xff"), AT(32896, "\xff\xff") }, "iso", 281470681677825, NULL },
    { "iso that ends with the descriptor", 34816, { { 0 } }, "iso", 204800, NULL },
    { "iso one byte short", 34815, { { 0 } }, "", 34815, NULL },
    { "iso that starts with a boot record", 0, { AT(32768, "\0") }, "iso", 0, NULL },
    { "iso that starts with a supplement", 0, { AT(32768, "\2") }, "iso", 0, NULL },
    { "iso that is over at once", 0, { AT(32768, "\xff") }, "iso", 0, NULL },
    { "udf of the second edition", 0, { AT(32769, "NSR02") }, "iso", 204800, NULL },
    { "udf of the third edition", 0, { AT(32769, "NSR03") }, "iso", 204800, NULL },
    { "udf of no edition", 0, { AT(32769, "NSR01") }, "", 40000, NULL },
    { "udf before its volume recognition", 0, { AT(32769, "BEA01") }, "", 40000, NULL },
    { "iso in small letters", 0, { AT(32769, "cd") }, "", 40000, NULL },
    { "iso one sector late", 0, { AT(32768, "\0\0\0\0\0\0"), AT(34816, "\1CD001") }, "", 40000, NULL },
};
/* clang-format on */

static void iso(void **state UNUSED)
{
    image_rows_check(&base, rows, COUNT(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(iso) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
