/* SPDX-License-Identifier: Apache-2.0 */
#include "image.h"

/* clang-format off */
static const struct image_base base = { 512, { AT(0, "<<< any text >>>\n"), AT(64, "\x7f\x10\xda\xbe"), AT(368, "\3\2\1") } };

static const struct image_row rows[] = {
    { "vdi", 0, { { 0 } }, "vdi", 0x10203, NULL },
    { "vdi without its text", 0, { AT(0, "\0\0\0\0") }, "vdi", 0x10203, NULL },
    { "vdi with more behind it", 9999, { { 0 } }, "vdi", 0x10203, NULL },
    { "vdi one byte short", 511, { { 0 } }, "", 511, NULL },
    { "vdi in the wrong byte order", 0, { AT(64, "\xbe\xda\x10\x7f") }, "", 512, NULL },
};
/* clang-format on */

static void vdi(void **state UNUSED)
{
    image_rows_check(&base, rows, COUNT(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(vdi) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
