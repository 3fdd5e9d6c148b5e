/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"
#include "json/json.h"

#include <string.h>

static const struct {
    const char *text;
    bool good;
} rows[] = {
    { "{}", true },
    { "[1, 2]", true },
    { "\"x\"", true },
    { "null", true },
    { " {\"a\": 1} ", true },
    { "{\"a\": 1, \"a\": 2}", true },
    { "{\"a\": \"\\u017c\"}", true },
    { "", false },
    { "{", false },
    { "{} x", false },
    { "{'a': 1}", false },
    { "{\"a\": 01}", false },
    { "{\"a\": \"\xE9\"}", false },
    { "{\"a\": \"a\nb\"}", false },
    { "{\"a\": \"\\ud83d\"}", false },
};

static void texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        CLEANUP(json_drop) json_t *j = json_parse(rows[i].text, strlen(rows[i].text));

        CHECK_CASE(rows[i].text, (j != NULL) == rows[i].good);
    }
}

static void the_last_of_repeated_keys_wins(void **state)
{
    static const char text[] = "{\"a\": 1, \"a\": 2}";
    CLEANUP(json_drop) json_t *j = json_parse(text, strlen(text));

    (void)state;
    assert_int_equal(json_integer_value(json_object_get(j, "a")), 2);
}

static void depth_is_bounded(void **state)
{
    CLEANUP(str_done) struct str deep = STR_INIT;

    (void)state;
    for (int depth = HTTP_JSON_DEPTH_MAX; depth <= HTTP_JSON_DEPTH_MAX + 1; depth++) {
        json_t *j;

        str_clear(&deep);
        for (int i = 0; i < depth; i++)
            str_addc(&deep, '[');
        for (int i = 0; i < depth; i++)
            str_addc(&deep, ']');
        j = json_parse(str_text(&deep), deep.len);
        assert_true((j != NULL) == (depth == HTTP_JSON_DEPTH_MAX));
        json_decref(j);
    }
}

static void brackets_in_strings_do_not_count(void **state)
{
    CLEANUP(str_done) struct str text = STR_INIT;

    (void)state;
    str_add(&text, "[\"\\\"");
    for (int i = 0; i < 200; i++)
        str_addc(&text, '[');
    str_add(&text, "\"]");
    json_t *j = json_parse(str_text(&text), text.len);
    assert_non_null(j);
    json_decref(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts),
        cmocka_unit_test(the_last_of_repeated_keys_wins),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(brackets_in_strings_do_not_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
