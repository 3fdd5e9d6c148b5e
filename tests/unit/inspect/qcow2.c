/* SPDX-License-Identifier: Apache-2.0 */
#include "image.h"

/* clang-format off */
/* Version 3, 1 GiB, nothing special. */
static const struct image_base base = { 512, { AT(0, "QFI\xfb\0\0\0\3"), AT(20, "\0\0\0\20\0\0\0\0\100") } };

enum { GIB = 1 << 30 };

static const struct image_row rows[] = {
    { "qcow2 as it should be", 0, { { 0 } }, "qcow2", GIB, NULL },
    { "qcow2 with more behind it", 70000, { { 0 } }, "qcow2", GIB, NULL },
    { "qcow2 version 2", 0, { AT(7, "\2") }, "qcow2", GIB, NULL },
    { "qcow version 1", 0, { AT(7, "\1") }, "qcow2", GIB, "unknown_features" },
    { "qcow2 version 0", 0, { AT(7, "\0") }, "qcow2", GIB, "unknown_features" },
    { "qcow2 version 4", 0, { AT(7, "\4") }, "qcow2", GIB, "unknown_features" },
    { "qcow2 version 3 in the wrong byte order", 0, { AT(4, "\3\0\0\0") }, "qcow2", GIB, "unknown_features" },
    { "qcow2 with a backing file", 0, { AT(15, "\x80") }, "qcow2", GIB, "backing_file" },
    { "qcow2 with a backing file far away", 0, { AT(8, "\x80") }, "qcow2", GIB, "backing_file" },
    { "qcow2 version 2 with a backing file", 0, { AT(7, "\2"), AT(15, "\x48") }, "qcow2", GIB, "backing_file" },
    { "qcow2 with a data file", 0, { AT(79, "\4") }, "qcow2", GIB, "data_file" },
    { "qcow2 version 2 that looks as if it had a data file", 0, { AT(7, "\2"), AT(79, "\4") }, "qcow2", GIB, "data_file" },
    { "qcow2 with a backing file and a data file", 0, { AT(15, "\x80"), AT(79, "\4") }, "qcow2", GIB, "backing_file" },
    { "qcow2 dirty, corrupt, compressed by zstd", 0, { AT(79, "\13") }, "qcow2", GIB, NULL },
    { "qcow2 with extended L2 entries", 0, { AT(79, "\20") }, "qcow2", GIB, "unknown_features" },
    { "qcow2 with the highest feature", 0, { AT(72, "\x80") }, "qcow2", GIB, "unknown_features" },
    { "qcow2 version 2 has no features", 0, { AT(7, "\2"), AT(72, "\x80") }, "qcow2", GIB, NULL },
    { "qcow2 compatible features do not matter", 0, { AT(80, "\xff\xff\xff\xff") }, "qcow2", GIB, NULL },
    { "qcow2 of no bytes", 0, { AT(24, "\0\0\0\0\0\0\0\0") }, "qcow2", 0, NULL },
    { "qcow2 as large as the database can say", 0, { AT(24, "\x7f\xff\xff\xff\xff\xff\xff\xff") }, "qcow2", INT64_MAX, NULL },
    { "qcow2 larger than that", 0, { AT(24, "\x80\0\0\0\0\0\0\0") }, "qcow2", NO_SIZE, NULL },
    { "qcow2 as large as can be", 0, { AT(24, "\xff\xff\xff\xff\xff\xff\xff\xff") }, "qcow2", NO_SIZE, NULL },
    { "not quite qcow2", 0, { AT(3, "\xfa") }, "", 512, NULL },
    { "qcow2 behind a padding", 1024, { AT(0, "\0\0\0\0"), AT(512, "QFI\xfb\0\0\0\3") }, "", 1024, NULL },
    /* Glance calls these raw; QEMU opens them, backing file and all. */
    { "qcow2 of the magic alone", 4, { { 0 } }, "qcow2", NO_SIZE, "header" },
    { "qcow2 of 104 bytes with a backing file", 104, { AT(7, "\2"), AT(15, "\x48"), AT(72, "/etc/passwd") }, "qcow2", NO_SIZE,
      "header" },
    { "qcow2 one byte short", 511, { { 0 } }, "qcow2", NO_SIZE, "header" },
    { "three bytes of the magic", 3, { { 0 } }, "", 3, NULL },
};
/* clang-format on */

static void qcow2(void **state UNUSED)
{
    image_rows_check(&base, rows, COUNT(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(qcow2) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
