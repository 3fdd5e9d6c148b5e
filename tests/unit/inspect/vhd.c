/* SPDX-License-Identifier: Apache-2.0 */
#include "image.h"

/* clang-format off */
static const struct image_base base = { 512, { AT(0, "conectix"), AT(45, "\1\2\3") } };

static const struct image_row rows[] = {
    { "vhd", 0, { { 0 } }, "vhd", 0x10203, NULL },
    { "vhd with more behind it", 5000, { { 0 } }, "vhd", 0x10203, NULL },
    { "vhd of no bytes", 0, { AT(45, "\0\0\0") }, "vhd", 0, NULL },
    { "vhd larger than the database can say", 0, { AT(40, "\x80") }, "vhd", NO_SIZE, NULL },
    { "vhd of the cookie alone", 8, { { 0 } }, "vhd", NO_SIZE, "incomplete" },
    { "vhd one byte short", 511, { { 0 } }, "vhd", NO_SIZE, "incomplete" },
    { "half the cookie of vhd", 4, { { 0 } }, "", 4, NULL },
    { "fixed vhd has the cookie at its end only", 1024, { AT(0, "\0\0\0\0\0\0\0\0"), AT(512, "conectix") }, "", 1024, NULL },
};
/* clang-format on */

static void vhd(void **state UNUSED)
{
    image_rows_check(&base, rows, COUNT(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(vhd) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
