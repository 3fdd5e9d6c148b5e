/* SPDX-License-Identifier: Apache-2.0 */
#include "image.h"

/* ---- the data ---- */

/* clang-format off */
#define MBR_SIGNATURE AT(510, "\x55\xaa")
#define MBR_ENTRY     AT(446, "\0\40\41\0\x83\xfe\xff\xff\0\10\0\0\0\20\0\0")
#define ISO           AT(32768, "\1CD001\1"), AT(32848, "d\0\0\0"), AT(32896, "\0\10")
#define QCOW2         AT(0, "QFI\xfb\0\0\0\3"), AT(24, "\0\0\0\0\100")
#define VMDK          AT(0, "KDMV\1\0\0\0\3\0\0\0\0\120\0\0\0\0\0\0\200\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\24")
#define LUKS          AT(0, "LUKS\xba\xbe\0\1"), AT(104, "\0\0\0\1")

enum sample {
    NO_DATA, SMALL, TEXT, QCOW2_GOOD, QCOW2_BACKING, QCOW2_EMPTY, QCOW2_HUGE, QCOW2_GPT_BACKING, QED, QED_BACKING, VHD_CUT, VMDK_GOOD, VMDK_FLAT, VMDK_TEXT, VMDK_CUT_FLAT, VMDK_BINARY, VMDK_4_PARENT, VMDK_ELSEWHERE,
    ISO_GOOD, ISO_BOOT, ISO_QCOW2, GPT_GOOD, GPT_BAD, QCOW2_GPT, LUKS_GOOD, LUKS_2, LUKS_CUT, LUKS_SHORT, SAMPLES
};

static const struct image_base nothing = { 1, { { 0 } } };

static const struct image_row samples[SAMPLES] = {
    [SMALL] = { .size = 3, .patches = { AT(0, "abc") } },
    [TEXT] = { .size = 14, .patches = { AT(0, "plain text \xc3\xa9\n") } },
    [QCOW2_GOOD] = { .size = 512, .patches = { QCOW2 } },
    [QCOW2_BACKING] = { .size = 512, .patches = { QCOW2, AT(15, "\100") } },
    [QCOW2_EMPTY] = { .size = 512, .patches = { AT(0, "QFI\xfb\0\0\0\3") } },
    [QCOW2_HUGE] = { .size = 512, .patches = { QCOW2, AT(24, "\x80") } },
    [QED] = { .size = 512, .patches = { AT(0, "QED\0") } },
    [QCOW2_GPT_BACKING] = { .size = 512, .patches = { QCOW2, AT(15, "\100"), MBR_SIGNATURE } },
    [QED_BACKING] = { .size = 512, .patches = { AT(0, "QED\0"), AT(16, "\1") } },
    [VMDK_CUT_FLAT] = { .size = 1000, .patches = { VMDK, AT(512, "createType=\"monolithicFlat\"\nRW 1 FLAT \"a\" 0\n") } },
    [VMDK_BINARY] = { .size = 600, .patches = { AT(0, "\1\xff createType=\"vmfs\"\nRW 1 VMFS \"a\"\n") } },
    [VMDK_4_PARENT] = { .size = 20000, .patches = { VMDK, AT(4, "\4"), AT(512, "parentFileNameHint=\"/a\"\n") } },
    [VMDK_ELSEWHERE] = { .size = 20000, .patches = { VMDK, AT(12, "\0\0\0\0"), AT(28, "\2"), AT(1024, "createType=\"vmfs\"\nRW 1 VMFS \"a\"\n") } },
    [VHD_CUT] = { .size = 8, .patches = { AT(0, "conectix") } },
    [VMDK_GOOD] = { .size = 20000, .patches = { VMDK, AT(512, "createType=\"monolithicSparse\"\nRW 1 SPARSE \"a\"\n") } },
    [VMDK_FLAT] = { .size = 20000, .patches = { VMDK, AT(512, "createType=\"monolithicFlat\"\nRW 1 FLAT \"a\" 0\n") } },
    [VMDK_TEXT] = { .size = 46, .patches = { AT(0, "createType=\"monolithicSparse\"\nRW 1 SPARSE \"a\"\n") } },
    [ISO_GOOD] = { .size = 40000, .patches = { ISO } },
    [ISO_BOOT] = { .size = 40000, .patches = { ISO, MBR_SIGNATURE } },
    [ISO_QCOW2] = { .size = 40000, .patches = { QCOW2, ISO } },
    [GPT_GOOD] = { .size = 4096, .patches = { MBR_SIGNATURE, MBR_ENTRY } },
    [GPT_BAD] = { .size = 4096, .patches = { MBR_SIGNATURE } },
    [QCOW2_GPT] = { .size = 512, .patches = { QCOW2, MBR_SIGNATURE } },
    [LUKS_GOOD] = { .size = 1024, .patches = { LUKS } },
    [LUKS_2] = { .size = 1024, .patches = { LUKS, AT(7, "\2") } },
    [LUKS_CUT] = { .size = 300, .patches = { LUKS } },
    [LUKS_SHORT] = { .size = 1024, .patches = { LUKS, AT(107, "\3") } },
};
/* clang-format on */

static void sample_inspect(enum sample sample, struct inspect_verdict *ret)
{
    CLEANUP(image_done) struct image image = image_build(&nothing, &samples[sample]);

    if (sample == NO_DATA)
        image.n = 0;
    inspect_image(&image, 65536, ret);
}

/* ---- the decision ---- */

/* clang-format off */
static const char *const gpt_nonfatal[] = { "gptmbr", "backing_file", "mbr" };
static const struct inspect_policy strict = { .require_match = true };
static const struct inspect_policy tolerant = { .require_match = true, .gpt_nonfatal = gpt_nonfatal, .n_gpt_nonfatal = 3 };
static const struct inspect_policy loose = { .require_match = false };

#define MISMATCH(a, b) "Image disk_format " a " does not match stream data " b
#define UNSAFE         "Image failed safety checks"
#define CUT            "Incomplete file cannot be safety checked"
#define FAILED         "Image format inspection failed"
#define UNSET          (-1)

static const struct {
    const struct inspect_policy *policy;
    enum sample                  sample;
    const char                  *disk_format;
    int64_t                      virtual_size; /* when it is accepted */
    const char                  *text;         /* when it is not; NULL otherwise */
} decisions[] = {
    { &strict, SMALL, "raw", 3, NULL },
    { &strict, NO_DATA, "raw", UNSET, NULL },
    { &strict, SMALL, "qcow2", UNSET, MISMATCH("qcow2", "raw") },
    { &strict, NO_DATA, "qcow2", UNSET, MISMATCH("qcow2", "raw") },
    { &strict, SMALL, "iso", UNSET, MISMATCH("iso", "raw") },
    { &strict, SMALL, "vhd", UNSET, MISMATCH("vhd", "raw") },
    { &strict, SMALL, "vmdk", UNSET, MISMATCH("vmdk", "raw") },
    { &strict, SMALL, "gpt", UNSET, MISMATCH("gpt", "raw") },
    { &strict, SMALL, "ami", UNSET, NULL },
    { &strict, SMALL, "ari", UNSET, NULL },
    { &strict, SMALL, "aki", UNSET, NULL },
    { &strict, SMALL, "ploop", UNSET, NULL },
    { &strict, NO_DATA, "ami", UNSET, NULL },
    { &strict, TEXT, "raw", 14, NULL },
    { &strict, QCOW2_GOOD, "qcow2", 1 << 30, NULL },
    { &strict, QCOW2_GOOD, "raw", 512, NULL },
    { &strict, QCOW2_GOOD, "vmdk", UNSET, MISMATCH("vmdk", "qcow2") },
    { &strict, QCOW2_GOOD, "ami", UNSET, MISMATCH("ami", "qcow2") },
    { &strict, QCOW2_EMPTY, "qcow2", UNSET, NULL },
    { &strict, QCOW2_HUGE, "qcow2", UNSET, FAILED }, /* Glance fails with 500 and leaves the image saving */
    { &strict, QCOW2_HUGE, "raw", 512, NULL },
    { &strict, QCOW2_BACKING, "qcow2", UNSET, UNSAFE },
    { &strict, QCOW2_BACKING, "raw", UNSET, UNSAFE },
    { &strict, QCOW2_BACKING, "ami", UNSET, MISMATCH("ami", "qcow2") },
    { &strict, QED, "raw", UNSET, UNSAFE },
    { &strict, QED, "qcow2", UNSET, MISMATCH("qcow2", "qed") },
    { &strict, QED, "ploop", UNSET, MISMATCH("ploop", "qed") },
    { &strict, VHD_CUT, "vhd", UNSET, CUT },
    { &strict, VHD_CUT, "raw", UNSET, CUT },
    { &strict, VHD_CUT, "vmdk", UNSET, MISMATCH("vmdk", "vhd") },
    { &strict, VMDK_GOOD, "vmdk", 10 << 20, NULL },
    { &strict, VMDK_GOOD, "raw", 20000, NULL },
    { &strict, VMDK_GOOD, "qcow2", UNSET, MISMATCH("qcow2", "vmdk") },
    { &strict, VMDK_FLAT, "vmdk", UNSET, UNSAFE },
    { &strict, VMDK_FLAT, "raw", UNSET, UNSAFE },
    { &strict, VMDK_TEXT, "vmdk", UNSET, FAILED },
    { &strict, VMDK_TEXT, "raw", 46, NULL },
    { &strict, VMDK_CUT_FLAT, "vmdk", UNSET, UNSAFE },
    { &strict, VMDK_BINARY, "raw", UNSET, UNSAFE },
    { &strict, VMDK_BINARY, "ami", UNSET, MISMATCH("ami", "vmdk") },
    { &strict, QCOW2_GPT_BACKING, "qcow2", UNSET, "Multiple formats detected: qcow2,gpt" },
    { &strict, ISO_GOOD, "iso", 204800, NULL },
    { &strict, ISO_GOOD, "raw", 40000, NULL },
    { &strict, ISO_GOOD, "qcow2", UNSET, MISMATCH("qcow2", "iso") },
    { &strict, ISO_BOOT, "iso", 204800, NULL },
    { &strict, ISO_BOOT, "raw", UNSET, "Multiple formats detected: iso,gpt" },
    { &strict, ISO_BOOT, "qcow2", UNSET, MISMATCH("qcow2", "iso") },
    { &strict, ISO_BOOT, "gpt", UNSET, MISMATCH("gpt", "iso") },
    { &strict, ISO_BOOT, "ami", UNSET, MISMATCH("ami", "iso") },
    { &strict, ISO_QCOW2, "iso", UNSET, "Multiple formats detected: qcow2,iso" },
    { &strict, ISO_QCOW2, "raw", UNSET, "Multiple formats detected: qcow2,iso" },
    { &strict, QCOW2_GPT, "qcow2", UNSET, "Multiple formats detected: qcow2,gpt" },
    { &strict, GPT_GOOD, "gpt", 4096, NULL },
    { &strict, GPT_GOOD, "raw", 4096, NULL },
    { &strict, GPT_GOOD, "vhd", UNSET, MISMATCH("vhd", "gpt") },
    { &strict, GPT_BAD, "gpt", UNSET, UNSAFE },
    { &strict, GPT_BAD, "raw", UNSET, UNSAFE },
    { &strict, GPT_BAD, "iso", UNSET, MISMATCH("iso", "gpt") },
    { &strict, LUKS_GOOD, "luks", 512, NULL },
    { &strict, LUKS_GOOD, "raw", 1024, NULL },
    { &strict, LUKS_2, "luks", UNSET, UNSAFE },
    { &strict, LUKS_2, "raw", UNSET, UNSAFE },
    { &strict, LUKS_CUT, "raw", UNSET, CUT },
    { &strict, LUKS_CUT, "qcow2", UNSET, MISMATCH("qcow2", "luks") },
    { &strict, LUKS_SHORT, "luks", UNSET, FAILED }, /* Glance stores a negative size */

    { &tolerant, GPT_BAD, "gpt", 4096, NULL },
    { &tolerant, GPT_BAD, "raw", 4096, NULL },
    { &tolerant, GPT_BAD, "iso", UNSET, MISMATCH("iso", "gpt") },
    { &tolerant, QCOW2_GPT, "gpt", UNSET, "Multiple formats detected: qcow2,gpt" },
    { &tolerant, QCOW2_BACKING, "raw", UNSET, UNSAFE },
    { &tolerant, ISO_BOOT, "raw", UNSET, "Multiple formats detected: iso,gpt" },

    { &loose, SMALL, "raw", 3, NULL },
    { &loose, SMALL, "qcow2", UNSET, NULL },
    { &loose, SMALL, "ami", UNSET, NULL },
    { &loose, QCOW2_GOOD, "qcow2", 1 << 30, NULL },
    { &loose, QCOW2_GOOD, "vmdk", UNSET, NULL },
    { &loose, QCOW2_GOOD, "ami", UNSET, NULL },
    { &loose, QCOW2_BACKING, "qcow2", UNSET, UNSAFE },
    { &loose, QCOW2_BACKING, "raw", UNSET, UNSAFE },
    /* Glance lets these pass, and who looks for himself opens another file. */
    { &loose, QCOW2_BACKING, "vmdk", UNSET, UNSAFE },
    { &loose, QCOW2_GPT_BACKING, "gpt", UNSET, UNSAFE },
    { &loose, QED_BACKING, "qcow2", UNSET, UNSAFE },
    { &loose, VMDK_CUT_FLAT, "vmdk", UNSET, UNSAFE },
    { &loose, VMDK_BINARY, "vmdk", UNSET, UNSAFE },
    { &loose, VMDK_BINARY, "ami", UNSET, UNSAFE },
    { &loose, VMDK_4_PARENT, "qcow2", UNSET, UNSAFE },
    { &loose, VMDK_ELSEWHERE, "qcow2", UNSET, UNSAFE },
    { &loose, QCOW2_GPT, "gpt", UNSET, NULL },
    { &loose, QED, "raw", UNSET, UNSAFE },
    { &loose, QED, "qcow2", UNSET, NULL },
    { &loose, VHD_CUT, "raw", 8, NULL },
    { &loose, VHD_CUT, "vhd", UNSET, NULL },
    { &loose, VMDK_FLAT, "vmdk", UNSET, UNSAFE },
    { &loose, VMDK_TEXT, "vmdk", UNSET, NULL },
    { &loose, ISO_BOOT, "iso", 204800, NULL },
    { &loose, ISO_BOOT, "raw", UNSET, NULL },
    { &loose, ISO_QCOW2, "iso", UNSET, NULL },
    { &loose, GPT_BAD, "gpt", UNSET, UNSAFE },
    { &loose, GPT_BAD, "qcow2", UNSET, NULL },
};
/* clang-format on */

static void decide(void **state UNUSED)
{
    for (size_t i = 0; i < COUNT(decisions); i++) {
        int64_t virtual_size = 77;
        struct inspect_verdict v;
        struct error e;
        int rc;

        error_clear(&e);
        sample_inspect(decisions[i].sample, &v);
        rc = inspect_decide(&v, decisions[i].disk_format, decisions[i].policy, &virtual_size, &e);
        if (decisions[i].text) {
            if (rc != -1 || e.kind != ERROR_MEDIA || !str_eq(e.message, decisions[i].text))
                fail_msg("row %zu: %d, %s instead of %s", i, rc, e.message, decisions[i].text);
        } else if (rc != 0 || e.kind != ERROR_NONE || virtual_size != decisions[i].virtual_size) {
            fail_msg("row %zu: %d, %s, size %lld", i, rc, e.message, (long long)virtual_size);
        }
    }
}

/* An operator needs to know which check failed; the client gets Glance's words. */
static void refusal_is_logged(void **state UNUSED)
{
    struct inspect_verdict v;
    int64_t virtual_size;
    struct error e;

    error_clear(&e);
    sample_inspect(QCOW2_BACKING, &v);
    assert_int_equal(inspect_decide(&v, "qcow2", &strict, &virtual_size, &e), -1);
    assert_string_equal(e.message, UNSAFE);
    assert_string_equal(e.detail, "qcow2: it has a backing file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decide),
        cmocka_unit_test(refusal_is_logged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
