/* SPDX-License-Identifier: Apache-2.0 */
#include "image.h"

/* clang-format off */
/* Version 1, payload from sector 8 on. */
static const struct image_base base = { 100000, { AT(0, "LUKS\xba\xbe\0\1aes"), AT(104, "\0\0\0\10") } };

static const struct image_row rows[] = {
    { "luks", 0, { { 0 } }, "luks", 100000 - 4096, NULL },
    { "luks with a detached payload", 0, { AT(107, "\0") }, "luks", 100000, NULL },
    { "luks with nothing behind the header", 4096, { { 0 } }, "luks", 0, NULL },
    { "luks cut before its payload", 4095, { { 0 } }, "luks", NO_SIZE, NULL },
    { "luks version 2", 0, { AT(7, "\2") }, "luks", 100000 - 4096, "version" },
    { "luks version 0", 0, { AT(7, "\0") }, "luks", 100000 - 4096, "version" },
    { "luks version 256", 0, { AT(6, "\1\0") }, "luks", 100000 - 4096, "version" },
    { "luks of the magic alone", 6, { { 0 } }, "luks", NO_SIZE, "incomplete" },
    { "luks one byte short", 591, { { 0 } }, "luks", NO_SIZE, "incomplete" },
    { "luks header only, detached payload", 592, { AT(107, "\0") }, "luks", 592, NULL },
    { "luks version 2 second header", 0, { AT(0, "SKUL") }, "", 100000, NULL },
    { "part of the magic of luks", 5, { { 0 } }, "", 5, NULL },
};
/* clang-format on */

static void luks(void **state UNUSED)
{
    image_rows_check(&base, rows, COUNT(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(luks) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
