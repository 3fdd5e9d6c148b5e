/* SPDX-License-Identifier: Apache-2.0 */
#include "image.h"

/* clang-format off */
static const struct image_base base = { 512, { AT(0, "QED\0") } };

static const struct image_row rows[] = {
    { "qed", 0, { { 0 } }, "qed", 512, "banned" },
    { "qed with more behind it", 327680, { { 0 } }, "qed", 327680, "banned" },
    { "qed that ends early", 72, { { 0 } }, "qed", 72, "banned" }, /* raw to Glance */
    { "not quite qed", 0, { AT(3, "!") }, "", 512, NULL },
};
/* clang-format on */

static void qed(void **state UNUSED)
{
    image_rows_check(&base, rows, COUNT(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(qed) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
