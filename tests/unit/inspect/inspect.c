/* SPDX-License-Identifier: Apache-2.0 */
#include "image.h"

#include <malloc.h>

/* ---- what other programs write ---- */

static struct image fixture_load(const char *name)
{
    struct image image = { 0, NULL };
    char path[512], line[256];
    unsigned long at, size = 0;
    FILE *f;

    snprintf(path, sizeof path, "%s/%s.img", FIXTURES, name);
    f = fopen(path, "r");
    if (!f || !fgets(line, sizeof line, f) || sscanf(line, "size %lu", &size) != 1)
        fail_msg("%s is no fixture", path);
    image.n = size;
    image.bytes = mem_new(image.n);
    while (fgets(line, sizeof line, f)) {
        char *hex;

        at = strtoul(line, &hex, 16);
        for (hex++; isxdigit((unsigned char)hex[0]) && at < image.n; hex += 2, at++) {
            unsigned byte;

            assert_int_equal(sscanf(hex, "%2x", &byte), 1);
            image.bytes[at] = (uint8_t)byte;
        }
    }
    fclose(f);
    return image;
}

enum { MIB = 1 << 20 };

static const struct {
    const char *fixture, *formats;
    int64_t virtual_size;
    const char *check;
} fixtures[] = {
    { "qcow2-v2", "qcow2", MIB, NULL },
    { "qcow2-v3", "qcow2", MIB, NULL },
    { "qcow2-v2-backing", "qcow2", MIB, "backing_file" },
    { "qcow2-v3-backing", "qcow2", MIB, "backing_file" },
    { "qcow2-data-file", "qcow2", MIB, "data_file" },
    { "qcow2-data-file-raw", "qcow2", MIB, "data_file" },
    { "qcow2-lazy-refcounts", "qcow2", MIB, NULL },
    { "qcow2-zstd", "qcow2", MIB, NULL },
    { "qcow2-extended-l2", "qcow2", MIB, "unknown_features" },
    { "qcow2-aes", "qcow2", MIB, NULL },
    { "qcow2-luks", "qcow2", MIB, NULL },
    { "qcow-v1", "qcow2", MIB, "unknown_features" },
    { "qed", "qed", 327680, "banned" },
    { "vmdk-monolithicSparse", "vmdk", MIB, NULL },
    { "vmdk-streamOptimized", "vmdk", MIB, NULL },
    { "vmdk-lsilogic", "vmdk", MIB, NULL },
    { "vmdk-monolithicFlat", "vmdk", 0, "descriptor" },
    { "vmdk-twoGbMaxExtentSparse", "vmdk", 0, "descriptor" },
    { "vmdk-twoGbMaxExtentFlat", "vmdk", 0, "descriptor" },
    { "vmdk-parent", "vmdk", MIB, "descriptor" }, /* safe to Glance; QEMU opens the parent */
    { "vhd-dynamic", "vhd", 1079296, NULL },
    { "vhd-dynamic-exact", "vhd", MIB, NULL },
    { "vhd-fixed", "", 1079808, NULL },
    { "vhdx-dynamic", "vhdx", MIB, NULL },
    { "vhdx-fixed", "vhdx", MIB, NULL },
    { "vhdx-log", "vhdx", 3 * MIB, NULL },
    { "vdi-dynamic", "vdi", MIB, NULL },
    { "vdi-static", "vdi", MIB, NULL },
    { "luks-v1", "luks", MIB, NULL },
    { "iso-joliet", "iso", 0, NULL },
    { "iso-udf", "iso", 0, NULL },
    { "iso-xorriso", "iso", 0, NULL },
    { "iso-hybrid", "iso,gpt", 0, NULL },
    { "gpt-sgdisk", "gpt", MIB, NULL },
    { "fat", "", MIB, NULL },
};

static void real_images(void **state UNUSED)
{
    for (size_t i = 0; i < COUNT(fixtures); i++) {
        CLEANUP(image_done) struct image image = fixture_load(fixtures[i].fixture);
        bool disc = str_starts(fixtures[i].formats, "iso");

        /* The volume is the file. */
        image_check(&image, fixtures[i].fixture, fixtures[i].formats,
                    disc ? (int64_t)image.n : fixtures[i].virtual_size, fixtures[i].check);
    }
}

/* ---- several formats in one ---- */

/* clang-format off */
#define MBR_SIGNATURE AT(510, "\x55\xaa")
#define MBR_ENTRY     AT(446, "\0\40\41\0\x83\xfe\xff\xff\0\10\0\0\0\20\0\0")
#define ISO           AT(32768, "\1CD001\1"), AT(32848, "d\0\0\0"), AT(32896, "\0\10")
#define QCOW2         AT(0, "QFI\xfb\0\0\0\3")
#define VDI           AT(64, "\x7f\x10\xda\xbe")

static const struct image_base zeros = { 40000, { { 0 } } };

static const struct image_row polyglots[] = {
    { "nothing but zeros", 0, { { 0 } }, "", 40000, NULL },
    { "bootable iso", 0, { ISO, MBR_SIGNATURE, MBR_ENTRY }, "iso,gpt", 204800, NULL },
    { "bootable iso without partitions", 0, { ISO, MBR_SIGNATURE }, "iso,gpt", 204800, NULL },
    { "iso in qcow2", 0, { QCOW2, ISO }, "qcow2,iso", NO_SIZE, "formats" },
    { "qcow2 with a partition table", 0, { QCOW2, MBR_SIGNATURE, MBR_ENTRY }, "qcow2,gpt", NO_SIZE, "formats" },
    { "vdi with a partition table", 0, { VDI, MBR_SIGNATURE, MBR_ENTRY }, "vdi,gpt", NO_SIZE, "formats" },
    { "luks with a partition table", 0, { AT(0, "LUKS\xba\xbe\0\1"), MBR_SIGNATURE }, "gpt,luks", NO_SIZE, "formats" },
    { "bootable iso that is also luks", 0, { AT(0, "LUKS\xba\xbe\0\1"), ISO, MBR_SIGNATURE }, "iso,gpt,luks", NO_SIZE, "formats" },
    { "four in one", 0, { QCOW2, VDI, ISO, MBR_SIGNATURE }, "qcow2,vdi,iso,gpt", NO_SIZE, "formats" },
    { "qed that is an iso", 0, { AT(0, "QED\0"), ISO }, "qed,iso", NO_SIZE, "formats" },
    { "qcow2 behind an empty sector", 0, { AT(512, "QFI\xfb\0\0\0\3") }, "", 40000, NULL },
    { "qcow2 header behind a boot sector", 0, { MBR_SIGNATURE, MBR_ENTRY, AT(512, "QFI\xfb\0\0\0\3") }, "gpt", 40000, NULL },
};
/* clang-format on */

static void mixed_images(void **state UNUSED)
{
    image_rows_check(&zeros, polyglots, COUNT(polyglots));
}

static void no_bytes(void **state UNUSED)
{
    const struct image nothing = { 0, NULL };

    image_check(&nothing, "no bytes", "", 0, NULL);
}

/* ---- cost ---- */

/* A pointer that cannot be read stands for the bytes: nobody may look. */
static void later_bytes_cost_nothing(void **state UNUSED)
{
    const uint64_t much = (uint64_t)1 << 40;
    CLEANUP(image_done) struct image image = image_build(&zeros, &polyglots[0]);
    CLEANUP(inspect_free) struct inspect *in = inspect_begin();
    struct inspect_verdict v;

    inspect_feed(in, image.bytes, image.n);
    for (int i = 0; i < 1000; i++)
        inspect_feed(in, (const void *)8, much);
    inspect_end(in, &v);
    assert_string_equal(v.format, "raw");
    assert_int_equal(v.virtual_size, image.n + 1000 * much);
    assert_int_equal(v.bytes, v.virtual_size);
}

/* So may what lies between two places of interest. */
static void gaps_cost_nothing(void **state UNUSED)
{
    CLEANUP(image_done) struct image image = fixture_load("vhdx-dynamic");
    CLEANUP(inspect_free) struct inspect *in = inspect_begin();
    struct inspect_verdict v;

    inspect_feed(in, image.bytes, 65536);
    inspect_feed(in, (const void *)8, 65536);
    inspect_feed(in, image.bytes + 131072, image.n - 131072);
    inspect_end(in, &v);
    assert_string_equal(v.format, "vhdx");
    assert_int_equal(v.virtual_size, MIB);
}

static void memory_is_bounded(void **state UNUSED)
{
    static const char *const starts[] = { "KDMV\1\0\0\0", "vhdxfile", "# Disk DescriptorFile\n", "QFI\xfb" };
    CLEANUP(image_done) struct image image = { 8 * MIB, mem_new(8 * MIB) };

    memset(image.bytes, 0xff, image.n);
    for (size_t i = 0; i < COUNT(starts); i++) {
        struct mallinfo2 before = mallinfo2(), after;
        CLEANUP(inspect_free) struct inspect *in = inspect_begin();

        memcpy(image.bytes, starts[i], strlen(starts[i]));
        memcpy(image.bytes + 4, "\1\0\0\0", i == 0 ? 4 : 0);
        memcpy(image.bytes + 28, "\1\0\0\0\0\0\0\0", 8);
        for (size_t at = 0; at < image.n; at += 1000)
            inspect_feed(in, image.bytes + at, image.n - at < 1000 ? image.n - at : 1000);
        after = mallinfo2();
        CHECK_CASE(starts[i],
                   after.uordblks + after.hblkhd - before.uordblks - before.hblkhd <= INSPECT_MEMORY_MAX);
    }
}

static void free_takes_null(void **state UNUSED)
{
    struct inspect *in = NULL;

    inspect_free(&in);
    in = inspect_begin();
    inspect_free(&in); /* before the end of the stream */
    assert_null(in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_images),       cmocka_unit_test(mixed_images),
        cmocka_unit_test(no_bytes),          cmocka_unit_test(later_bytes_cost_nothing),
        cmocka_unit_test(gaps_cost_nothing), cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(free_takes_null),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
