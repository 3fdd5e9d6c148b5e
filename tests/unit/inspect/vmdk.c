/* SPDX-License-Identifier: Apache-2.0 */
#include "image.h"

/* clang-format off */
#define TEXT \
    "# Disk DescriptorFile\nversion=1\nCID=1521f4ca\nparentCID=ffffffff\ncreateType=\"monolithicSparse\"\n\n" \
    "# Extent description\nRW 20480 SPARSE \"a.vmdk\"\n\n# The Disk Data Base\n#DDB\n\nddb.adapterType = \"ide\"\n"
/* 10 MiB, descriptor of 20 sectors at sector 1. */
#define HEADER     "KDMV\1\0\0\0\3\0\0\0\0\120\0\0\0\0\0\0\200\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\24\0\0\0\0\0\0\0\0\2\0\0\25"
#define AT_END     "\xff\xff\xff\xff\xff\xff\xff\xff"

#define B8(x)      x x x x x x x x
#define FILL       B8("################") B8("################") B8("########") B8("####") /* no NUL up to sector 2 */
#define BLANK416   B8("    ") B8(B8("      "))
#define BLANK9984  BLANK416 BLANK416 BLANK416 BLANK416 BLANK416 BLANK416 BLANK416 BLANK416 BLANK416 BLANK416 BLANK416 BLANK416 \
    BLANK416 BLANK416 BLANK416 BLANK416 BLANK416 BLANK416 BLANK416 BLANK416 BLANK416 BLANK416 BLANK416 BLANK416

enum { TEN_MIB = 10 << 20, DIRECTORY = 56 };

static const struct image_base sparse = { 20000, { AT(0, HEADER), AT(DIRECTORY, "\32"), AT(512, TEXT) } };

static const struct image_row headers[] = {
    { "vmdk", 0, { { 0 } }, "vmdk", TEN_MIB, NULL },
    { "vmdk that ends with its descriptor", 10752, { { 0 } }, "vmdk", TEN_MIB, NULL },
    { "vmdk that ends in its descriptor", 10751, { { 0 } }, "vmdk", NO_SIZE, "incomplete" },
    { "vmdk that ends with its header", 512, { { 0 } }, "vmdk", NO_SIZE, "incomplete" },
    { "vmdk of the magic alone", 4, { { 0 } }, "vmdk", NO_SIZE, "incomplete" },
    { "vmdk of an older kind", 0, { AT(0, "COWD") }, "", 20000, NULL },
    { "vmdk header version 0", 0, { AT(4, "\0") }, "vmdk", 0, "descriptor" },
    { "vmdk header version 2", 0, { AT(4, "\2") }, "vmdk", TEN_MIB, NULL },
    { "vmdk header version 3", 0, { AT(4, "\3") }, "vmdk", TEN_MIB, NULL },
    { "vmdk header version 4", 0, { AT(4, "\4") }, "vmdk", 0, "descriptor" },
    { "vmdk without a descriptor", 0, { AT(28, "\0"), AT(36, "\0") }, "vmdk", 0, "descriptor" },
    { "vmdk with the descriptor at sector 2", 0, { AT(28, "\2"), AT(1024, TEXT) }, "vmdk", 0, "descriptor" },
    { "vmdk with a descriptor of no sectors", 0, { AT(36, "\0") }, "vmdk", 0, "descriptor" },
    { "vmdk with a descriptor of one sector", 1024, { AT(36, "\1") }, "vmdk", TEN_MIB, NULL },
    { "vmdk with an empty descriptor", 0, { AT(512, "\0") }, "vmdk", 0, "descriptor" },
    { "vmdk with a descriptor of a megabyte", 1049600, { AT(36, "\0\10") }, "vmdk", TEN_MIB, NULL },
    { "vmdk with a descriptor of all sectors", 1049087, { AT(36, "\xff\xff\xff\xff\xff\xff\xff\xff") }, "vmdk", TEN_MIB, NULL },
    { "vmdk with a descriptor of all sectors, one byte short", 1049086, { AT(36, "\xff\xff\xff\xff\xff\xff\xff\xff") }, "vmdk",
      NO_SIZE, "incomplete" },
    { "vmdk of no bytes", 0, { AT(12, "\0\0\0\0") }, "vmdk", 0, NULL },
    { "vmdk larger than the database can say", 0, { AT(12, "\0\0\0\0\0\0\100") }, "vmdk", NO_SIZE, NULL },
    { "vmdk larger than offsets", 0, { AT(12, "\0\0\0\0\0\0\0\x80") }, "vmdk", NO_SIZE, NULL },
    { "vmdk whose descriptor goes on in another tongue", 0, { AT(512 + 400, "caf\xe9") }, "vmdk", TEN_MIB, NULL },
    { "vmdk with a flat extent", 0, { AT(512, "createType=\"monolithicFlat\"\nRW 1 FLAT \"a\" 0\n\0") }, "vmdk", 0, "descriptor" },
    { "vmdk with an extent elsewhere", 0, { AT(512, "createType=\"monolithicSparse\"\nRW 1 FLAT \"/a\"\n\0") }, "vmdk", TEN_MIB,
      "descriptor" },
    /* QEMU reads on as far as the first NUL, whatever the header says. */
    { "vmdk with another type beyond its descriptor", 0,
      { AT(36, "\1"), AT(512, TEXT FILL), AT(1024, "#createType=\"vmfs\"\n") }, "vmdk", TEN_MIB, "descriptor" },
    { "vmdk with a parent beyond its descriptor", 0,
      { AT(36, "\1"), AT(512, TEXT FILL), AT(1024, "#parentFileNameHint=\"/a\"\n") }, "vmdk", TEN_MIB, "descriptor" },
    { "vmdk with a parent behind a NUL", 0,
      { AT(36, "\1"), AT(512, TEXT), AT(1024, "#parentFileNameHint=\"/a\"\n") }, "vmdk", TEN_MIB, NULL },
    { "vmdk without capacity and with a hidden type", 0,
      { AT(12, "\0\0\0\0"), AT(512, "#createType=:vmfs\"\n" TEXT) }, "vmdk", 0, "descriptor" },
    { "vmdk that is cut and has a parent", 1000, { AT(512, "parentFileNameHint=\"/a\"\n" TEXT) }, "vmdk", TEN_MIB, "descriptor" },
    { "vmdk of an older kind with a parent", 0, { AT(0, "COWD"), AT(512, "parentFileNameHint=\"/a\"\n") }, "vmdk", NO_SIZE, "descriptor" },
    { "vmdk of an older kind with a parent in the last sector", 0,
      { AT(0, "COWD"), AT(512, BLANK9984), AT(10496, "parentFileNameHint=\"/a\"\n") }, "vmdk", 0, "descriptor" },
    { "vmdk of an older kind, cut in the middle of the parent", 530, { AT(0, "COWD"), AT(512, "parentFileNameHint=\"/a\"\n") },
      "vmdk", 0, "descriptor" },
    { "vmdk of an older kind with a type", 0, { AT(0, "COWD"), AT(512, "createType=\"vmfs\"\n") }, "", 20000, NULL },
};

/* The second header is the one in force; 1,536 bytes at the end of 21,536. */
static const struct image_base streamed = { 21536, {
    AT(0, HEADER), AT(DIRECTORY, AT_END), AT(512, TEXT), AT(20000, "\1"), AT(20012, "\3"), AT(20512, HEADER), AT(20512 + DIRECTORY, "\32"),
} };

static const struct image_row footers[] = {
    { "vmdk with a footer", 0, { { 0 } }, "vmdk", TEN_MIB, NULL },
    { "vmdk with a footer that is missing", 20000, { { 0 } }, "vmdk", TEN_MIB, "footer" },
    { "vmdk with a footer and more behind it", 22048, { { 0 } }, "vmdk", TEN_MIB, "footer" },
    { "vmdk with a footer that is not asked for", 0, { AT(DIRECTORY, "\32\0\0\0\0\0\0\0"), AT(20512, "gone") }, "vmdk", TEN_MIB, NULL },
    { "vmdk footer without its magic", 0, { AT(20512, "gone") }, "vmdk", TEN_MIB, "footer" },
    { "vmdk footer of another version", 0, { AT(20516, "\2") }, "vmdk", TEN_MIB, "footer" },
    { "vmdk footer with another descriptor", 0, { AT(20540, "\2") }, "vmdk", TEN_MIB, "footer" },
    { "vmdk footer with a longer descriptor", 0, { AT(20548, "\25") }, "vmdk", TEN_MIB, "footer" },
    { "vmdk footer with another capacity", 0, { AT(20524, "\1") }, "vmdk", TEN_MIB, NULL },
    { "vmdk footer that announces another", 0, { AT(20512 + DIRECTORY, AT_END) }, "vmdk", TEN_MIB, "footer" },
    { "vmdk footer under another marker", 0, { AT(20012, "\2") }, "vmdk", TEN_MIB, "footer" },
    { "vmdk footer under a marker with data", 0, { AT(20008, "\1") }, "vmdk", TEN_MIB, "footer" },
    { "vmdk footer under a marker with a rest", 0, { AT(20511, "\1") }, "vmdk", TEN_MIB, "footer" },
    { "vmdk footer before another end", 0, { AT(21036, "\1") }, "vmdk", TEN_MIB, "footer" },
    { "vmdk footer before an end with a rest", 0, { AT(21535, "\1") }, "vmdk", TEN_MIB, "footer" },
    { "vmdk with a footer on top of its header", 1600,
      { AT(36, "\1"), AT(512, "createType=\"streamOptimized\"\nRW 1\n\0"), AT(576, "KDMV\2\0\0\0") }, "vmdk", TEN_MIB, "footer" },
    { "vmdk with a footer on top of its descriptor", 2048, { AT(36, "\1") }, "vmdk", TEN_MIB, "footer" },
};

static const struct image_base lone = { 400, { AT(0, "# Disk DescriptorFile\nversion=1\ncreateType=\"monolithicFlat\"\nRW 1 FLAT \"a\" 0\n"),
    AT(76, "                                                                                                    "),
    AT(176, "                                                                                                    "),
    AT(276, "                                                                                                    "),
    AT(376, "                        ") } };

static const struct image_row texts[] = {
    { "vmdk descriptor alone", 0, { { 0 } }, "vmdk", 0, "descriptor" },
    { "vmdk descriptor alone, short", 76, { { 0 } }, "vmdk", 0, "descriptor" },
    { "vmdk descriptor alone without its first line", 0, { AT(0, "#       DescriptorFile") }, "vmdk", 0, "descriptor" },
    { "vmdk descriptor alone of a kind that needs a header", 0,
      { AT(32, "createType=\"streamOptimized\"\nRW 1 S \"a\"\n     ") }, "vmdk", NO_SIZE, NULL },
    { "text without a type", 0, { AT(32, "creatxType=") }, "", 400, NULL },
    { "text with its type unquoted", 0, { AT(42, " m") , AT(44, "                                                        ")}, "", 400, NULL },
    /* QEMU does not look at the two characters between the word and the type. */
    { "text with a blank for a quote", 0, { AT(43, " ") }, "vmdk", 0, "descriptor" },
    /* Glance calls these raw, or does not look at all. */
    { "vmdk descriptor alone with other letters", 0, { AT(22, "\xc3\xa9") }, "vmdk", 0, "descriptor" },
    { "vmdk descriptor alone with zeros behind it", 1000, { { 0 } }, "vmdk", 0, "descriptor" },
    /* This, Glance agrees, is not text; QEMU, told that it is a VMDK, opens the extent. */
    { "binary with a type in it", 0, { AT(0, "\1 Disk DescriptorFile") }, "vmdk", 0, "descriptor" },
    { "a comment of other letters before the version", 0, { AT(0, "#\xff\xfe") }, "vmdk", 0, "descriptor" },
    { "binary with a type of one file in it", 0, { AT(0, "\1 Disk DescriptorFile"), AT(44, "streamOptimized") , AT(59, "\"") }, "", 400, NULL },
    { "binary with a parent in it", 0, { AT(0, "\1"), AT(32, "parentFileNameHint") }, "", 400, NULL },
    /* Nobody reads on behind the first NUL. */
    { "zeros with a type in them", 1000, { AT(0, "\0 Disk DescriptorFile") }, "", 1000, NULL },
};
/* clang-format on */

static void vmdk_header(void **state UNUSED)
{
    image_rows_check(&sparse, headers, COUNT(headers));
}

static void vmdk_footer(void **state UNUSED)
{
    image_rows_check(&streamed, footers, COUNT(footers));
}

static void vmdk_text(void **state UNUSED)
{
    image_rows_check(&lone, texts, COUNT(texts));
}

/* The type stands behind what the first reads of a server would hold. */
static void vmdk_late_type(void **state UNUSED)
{
    struct image image = { 200000, mem_new(200000) };
    static const char text[] = "createType=\"vmfs\"\nRW 1 VMFS \"/etc/passwd\"\n";

    memset(image.bytes, '#', image.n);
    memcpy(image.bytes + 150000, text, strlen(text));
    image_check(&image, "vmdk descriptor alone with its type far down", "vmdk", 0, "descriptor");
    memcpy(image.bytes + 150000, "#", 1);
    memcpy(image.bytes + 150010, " ", 1);
    image_check(&image, "long text", "", 200000, NULL);
    image_done(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vmdk_header),
        cmocka_unit_test(vmdk_footer),
        cmocka_unit_test(vmdk_text),
        cmocka_unit_test(vmdk_late_type),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
