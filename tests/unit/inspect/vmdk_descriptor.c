/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "test.h"

#include "inspect/vmdk_descriptor.h"

#define TYPE   "createType=\"monolithicSparse\"\n"
#define EXTENT "RW 20480 SPARSE \"a.vmdk\"\n"

static const struct {
    const char *name, *text;
    bool typed, safe;
} rows[] = {
    { "the least", TYPE EXTENT, true, true },
    { "streamOptimized", "createType=\"streamOptimized\"\n" EXTENT, true, true },
    { "keys in small letters", "createtype=\"monolithicsparse\"\nrw 20480 sparse \"a\"\n", true, true },
    { "lines end as on DOS", "createType=\"monolithicSparse\"\r\nRW 1 SPARSE \"a\"\r\n", true, true },
    { "lines end as on an old Macintosh", "createType=\"monolithicSparse\"\rRW 1 SPARSE \"a\"\r", true,
      false },
    { "nothing", "", false, false },
    { "no type", EXTENT, false, false },
    { "a type of its own", "createType=\"custom\"\n" EXTENT, false, false },
    { "monolithicFlat", "createType=\"monolithicFlat\"\n" EXTENT, false, false },
    { "twoGbMaxExtentSparse", "createType=\"twoGbMaxExtentSparse\"\n" EXTENT, false, false },
    { "vmfs", "createType=\"vmfs\"\n" EXTENT, false, false },
    { "an empty type", "createType=\"\"\n" EXTENT, false, false },
    { "a blank before the type", "createType=\" monolithicSparse\"\n" EXTENT, false, false },
    { "blanks around the sign", "createType = \"monolithicSparse\"\n" EXTENT, false, false },
    { "a type without quotes", "createType=monolithicSparse\n" EXTENT, false, false },
    { "a type that does not end", EXTENT "createType=\"monolithicSparse", false, false },
    { "a type that ends in the next line", "createType=\"monolithicSparse\n" EXTENT, false, false },
    { "a type in a comment", "#" TYPE EXTENT, true, true },
    { "two types, the harmless one first", TYPE "createType=\"monolithicFlat\"\n" EXTENT, true, false },
    { "two types, the harmless one second", "createType=\"monolithicFlat\"\n" TYPE EXTENT, false, false },
    { "two types that differ in case", "#CREATETYPE=\"monolithicSparse\"\ncreateType=\"vmfs\"\n" EXTENT, true,
      false },
    { "a type before it that is written otherwise", "#createType=:monolithicFlat\"\n" TYPE EXTENT, true,
      false },
    { "the word before it", "# createType\n" TYPE EXTENT, true, false },
    { "the word in other letters before it", "#CREATETYPE\n" TYPE EXTENT, true, false },
    { "the word behind it", TYPE EXTENT "# createType\n", true, false },
    { "a parent", TYPE EXTENT "parentFileNameHint=\"/etc/passwd\"\n", true, false },
    { "a parent in a comment", TYPE EXTENT "#parentFileNameHint=\"a\"\n", true, false },
    { "no extent", TYPE, true, false },
    { "no extent but a setting of that name", TYPE "RW=1\n", true, false },
    { "a read-only extent", TYPE "RDONLY 1 SPARSE \"a\"\n", true, true },
    { "an extent without access", TYPE "NOACCESS 1 ZERO\n", true, true },
    { "an extent that says nothing", TYPE "RW\n", true, true },
    { "an indented extent", TYPE " \t\v\fRW 1 SPARSE \"a\"\n", true, true },
    { "an extent behind a separator", TYPE "\x1cRW 1 SPARSE \"a\"\n", true, true },
    { "a tab in an extent", TYPE "RW\t1 SPARSE \"a\"\n", true, false },
    { "an access of another kind", TYPE EXTENT "RWX 1 SPARSE \"a\"\n", true, false },
    { "an extent elsewhere", TYPE "RW 1 FLAT \"/etc/passwd\" 0\n", true, false },
    { "an extent below", TYPE "RW 1 FLAT \"a/b\" 0\n", true, false },
    { "an extent above", TYPE "RW 1 FLAT \"../a\" 0\n", true, false },
    { "an extent on the network", TYPE "RW 1 FLAT \"nbd://a\" 0\n", true, false },
    { "a second extent elsewhere", TYPE EXTENT "RW 1 FLAT \"/a\" 0\n", true, false },
    { "an extent elsewhere in the last line", TYPE EXTENT "RW 1 FLAT \"/a\"", true, false },
    { "a path in a comment", TYPE EXTENT "# /etc/passwd\n", true, true },
    { "a path in a setting", TYPE EXTENT "a=/etc/passwd\n", true, true },
    { "a path in the disk data base", TYPE EXTENT "ddb.a = \"/b\"\n", true, true },
    { "the disk data base's name", TYPE EXTENT "ddb\n", true, true },
    { "a setting with any key", TYPE EXTENT "encryption.keySafe=\"x\"\n", true, true },
    { "a setting without a key", TYPE EXTENT "=x\n", true, true },
    { "a setting with blanks around the sign", TYPE EXTENT "CID = 1\n", true, false },
    { "a setting with a blank after the sign", TYPE EXTENT "CID= 1\n", true, true },
    { "a word", TYPE EXTENT "foo\n", true, false },
    { "a word in the last line", TYPE EXTENT "foo", true, false },
    { "blank lines", "\n \n\t\n" TYPE "\n" EXTENT "\n\n", true, true },
};

static void descriptor_lines(void **state UNUSED)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        bool typed = !rows[i].typed;
        /* No terminator: what reads on is caught by the sanitizer. */
        size_t n = strlen(rows[i].text);
        uint8_t *exact = mem_new(n);
        const char *fault;

        memcpy(exact, rows[i].text, n);
        fault = descriptor_fault(exact, n, n, &typed);
        mem_free(exact);
        CHECK_CASE(rows[i].name, !fault == rows[i].safe);
        CHECK_CASE(rows[i].name, typed == rows[i].typed);
    }
}

static void descriptor_ends_at_nul(void **state UNUSED)
{
    static const char text[] = TYPE EXTENT "\0foo\nRW 1 FLAT \"/a\"\n\xff";
    bool typed;

    assert_null(descriptor_fault((const uint8_t *)text, sizeof text, sizeof text, &typed));
    assert_non_null(descriptor_fault((const uint8_t *)text, sizeof TYPE - 1, sizeof TYPE - 1, &typed));
}

static void descriptor_is_ascii(void **state UNUSED)
{
    static const char text[] = TYPE EXTENT "# caf\xc3\xa9\n";
    bool typed = true;

    assert_non_null(descriptor_fault((const uint8_t *)text, strlen(text), strlen(text), &typed));
    assert_false(typed);
}

static const struct {
    const char *name, *text;
    bool other_files, parent;
} references[] = {
    { "nothing", "", false, false },
    { "monolithicSparse", TYPE EXTENT, false, false },
    { "monolithicFlat", "createType=\"monolithicFlat\"", true, false },
    { "vmfs", "createType=\"vmfs\"", true, false },
    { "vmfsSparse", "createType=\"vmfsSparse\"", true, false },
    { "seSparse", "createType=\"seSparse\"", true, false },
    { "twoGbMaxExtentSparse", "createType=\"twoGbMaxExtentSparse\"", true, false },
    { "twoGbMaxExtentFlat", "createType=\"twoGbMaxExtentFlat\"", true, false },
    { "a type that QEMU does not know", "createType=\"custom\"", false, false },
    { "two other characters before the type", "createType\n\tvmfs\"", true, false },
    { "a quote among these two", "createType\"\"vmfs\"", true, false },
    { "a type that goes on over the line's end", "createType=\"vmfs\n\"", false, false },
    { "a type that does not end", "createType=\"vmfs", true, false },
    { "a word at the end", "createType", false, false },
    { "a word and one character", "createType=", false, false },
    { "the second type", TYPE "createType=:vmfs\"", true, false },
    { "bytes that are no text before it", "\x01\xff createType=\"vmfs\"", true, false },
    { "a parent", "parentFileNameHint=\"/a\"", false, true },
    { "a parent without the rest", "parentFileNameHint", false, true },
    { "a parent in a comment", TYPE EXTENT "#\xffparentFileNameHint", false, true },
};

static void descriptor_references(void **state UNUSED)
{
    for (size_t i = 0; i < COUNT(references); i++) {
        const uint8_t *text = (const uint8_t *)references[i].text;
        size_t n = strlen(references[i].text);

        CHECK_CASE(references[i].name, descriptor_has_other_files(text, n) == references[i].other_files);
        CHECK_CASE(references[i].name, descriptor_has_parent(text, n) == references[i].parent);
    }
}

/* What the header does not count is read by others all the same, as far as the first NUL. */
static void descriptor_goes_on(void **state UNUSED)
{
    static const char *const tails[] = { "#createType", "parentFileNameHint" };
    char text[200];
    bool typed;

    for (size_t i = 0; i < COUNT(tails); i++) {
        size_t said = strlen(TYPE EXTENT), seen;

        memset(text, 0, sizeof text);
        memcpy(text, TYPE EXTENT, said);
        memcpy(text + said, tails[i], strlen(tails[i]));
        seen = said + strlen(tails[i]);
        CHECK_CASE(tails[i], descriptor_fault((const uint8_t *)text, said, seen, &typed) && typed);
        memmove(text + said + 1, text + said, strlen(tails[i]));
        text[said] = 0;
        CHECK_CASE(tails[i], !descriptor_fault((const uint8_t *)text, said, seen + 1, &typed) && typed);
    }
}

static const struct {
    const char *name, *text;
    size_t n;
    bool may;
} starts[] = {
    { "text", "any text\r\n\t", 11, true },
    { "no bytes", "", 0, false },
    { "a NUL", "text\0", 5, false },
    { "a control character", "text\x1b", 5, false },
    { "a letter of another tongue", "caf\xe9", 4, false },
    { "delete", "text\x7f", 5, false },
    { "the first line decides", "# disk descriptorfile\n\xe9\0", 24, true },
};

static void descriptor_starts(void **state UNUSED)
{
    for (size_t i = 0; i < COUNT(starts); i++)
        CHECK_CASE(starts[i].name,
                   descriptor_may_start((const uint8_t *)starts[i].text, starts[i].n) == starts[i].may);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(descriptor_lines),    cmocka_unit_test(descriptor_ends_at_nul),
        cmocka_unit_test(descriptor_is_ascii), cmocka_unit_test(descriptor_references),
        cmocka_unit_test(descriptor_goes_on),  cmocka_unit_test(descriptor_starts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
