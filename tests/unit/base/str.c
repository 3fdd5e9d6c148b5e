/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

static void str_grows(void **state)
{
    CLEANUP(str_done) struct str s = STR_INIT;

    (void)state;
    assert_string_equal(str_text(&s), "");
    for (int i = 0; i < 1000; i++)
        str_addf(&s, "%d,", i);
    assert_int_equal(s.len, 3890);
    assert_true(str_starts(str_text(&s), "0,1,2,") && str_ends(str_text(&s), "998,999,"));
    str_clear(&s);
    assert_string_equal(str_text(&s), "");
    str_addn(&s, "a\0b", 3);
    assert_int_equal(s.len, 3);
    assert_memory_equal(s.data, "a\0b", 4);
    str_done(&s);
    str_add_u64(&s, UINT64_MAX);
    str_addc(&s, ' ');
    str_add_u64(&s, 0);
    assert_string_equal(str_text(&s), "18446744073709551615 0");
}

static void str_compares(void **state)
{
    (void)state;
    assert_true(str_eq(NULL, NULL) && !str_eq(NULL, "") && !str_eq("", NULL) && str_eq("a", "a") &&
                !str_eq("a", "A"));
    assert_true(str_eq_nocase("aZ-", "Az-") && !str_eq_nocase("a", "ab") && !str_eq_nocase("ab", "a"));
    assert_true(str_eq_nocase(NULL, NULL) && !str_eq_nocase("", NULL));
    assert_true(str_ends("a.conf", ".conf") && !str_ends("conf", ".conf"));
}

static const struct {
    const char *text;
    int64_t min, max;
    bool valid;
    int64_t value;
} integers[] = {
    { "0", 0, 10, true, 0 },
    { "10", 0, 10, true, 10 },
    { "11", 0, 10, false, 0 },
    { "-1", 0, 10, false, 0 },
    { "-1", -1, 10, true, -1 },
    { "-2", -1, 10, false, 0 },
    { "", 0, 10, false, 0 },
    { "-", -5, 10, false, 0 },
    { " 1", 0, 10, false, 0 },
    { "1 ", 0, 10, false, 0 },
    { "+1", 0, 10, false, 0 },
    { "0x1", 0, 10, false, 0 },
    { "9223372036854775807", 0, INT64_MAX, true, INT64_MAX },
    { "9223372036854775808", 0, INT64_MAX, false, 0 },
    { "99999999999999999999999", 0, INT64_MAX, false, 0 },
};

static void str_reads_integers(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(integers); i++) {
        int64_t n = -99;
        bool valid = str_to_i64(integers[i].text, integers[i].min, integers[i].max, &n);

        CHECK_CASE(integers[i].text, valid == integers[i].valid);
        CHECK_CASE(integers[i].text, n == (valid ? integers[i].value : -99));
    }
}

static const struct {
    const char *name, *text;
    size_t n;
    int64_t len;
} utf8[] = {
    { "empty", "", 0, 0 },
    { "ASCII", "abc", 3, 3 },
    { "two bytes", "\xC3\xA9", 2, 1 },
    { "three bytes", "\xE2\x82\xAC", 3, 1 },
    { "four bytes", "\xF0\x9F\x98\x80", 4, 1 },
    { "the last code point", "\xF4\x8F\xBF\xBF", 4, 1 },
    { "beyond it", "\xF4\x90\x80\x80", 4, -1 },
    { "overlong slash", "\xC0\xAF", 2, -1 },
    { "overlong in three", "\xE0\x80\xAF", 3, -1 },
    { "overlong in four", "\xF0\x80\x80\xAF", 4, -1 },
    { "a surrogate", "\xED\xA0\x80", 3, -1 },
    { "a lone tail", "\x80", 1, -1 },
    { "cut short", "\xE2\x82", 2, -1 },
    { "not a tail", "\xC3(", 2, -1 },
    { "0xFF", "\xFF", 1, -1 },
    { "a zero byte is a character", "a\0b", 3, 3 },
};

static void str_counts_characters(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(utf8); i++)
        CHECK_CASE(utf8[i].name, str_utf8_len(utf8[i].text, utf8[i].n) == utf8[i].len);
}

static void str_copies_and_converts(void **state)
{
    char buf[4], word[] = "AbC1", hex[7];

    (void)state;
    assert_int_equal(str_copy(buf, sizeof buf, "abcdef"), 6);
    assert_string_equal(buf, "abc");
    assert_int_equal(str_copy(buf, sizeof buf, "x"), 1);
    assert_string_equal(buf, "x");
    str_lower(word);
    assert_string_equal(word, "abc1");
    str_hex("\x00\x7F\xFF", 3, hex);
    assert_string_equal(hex, "007fff");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(str_grows),
        cmocka_unit_test(str_compares),
        cmocka_unit_test(str_reads_integers),
        cmocka_unit_test(str_counts_characters),
        cmocka_unit_test(str_copies_and_converts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
