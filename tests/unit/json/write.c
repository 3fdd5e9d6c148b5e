/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"
#include "json/json.h"

#include <string.h>

static const struct {
    const char *text, *raw, *ascii;
} texts[] = {
    { "plain", "\"plain\"", "\"plain\"" },
    { "", "\"\"", "\"\"" },
    { "\"\\/\b\f\n\r\t\x7F", "\"\\\"\\\\/\\b\\f\\n\\r\\t\x7F\"", "\"\\\"\\\\/\\b\\f\\n\\r\\t\x7F\"" },
    { "\x01", "\"\\u0001\"", "\"\\u0001\"" },
    { "\xC5\xBC", "\"\xC5\xBC\"", "\"\\u017c\"" },
    { "\xF0\x9F\x98\x80", "\"\xF0\x9F\x98\x80\"", "\"\\ud83d\\ude00\"" },
};

static void what_is_not_utf8_is_replaced(void **state)
{
    static const char *const broken[] = { "a\xFF<br", "a\xE2\x82", "a\xC3", "a\xED\xA0\x80",
                                          "a\xF5\x80\x80\x80" };

    (void)state;
    for (size_t i = 0; i < COUNT(broken); i++) {
        for (int ascii = 0; ascii <= 1; ascii++) {
            CLEANUP(str_done) struct str out = STR_INIT;
            CLEANUP(json_drop) json_t *back = NULL;

            json_add_text(&out, broken[i], ascii);
            back = json_parse(str_text(&out), out.len);
            assert_non_null(back);
            assert_true(str_starts(json_string_value(back), "a\xEF\xBF\xBD"));
        }
    }
}

static void text_forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        CLEANUP(str_done) struct str raw = STR_INIT, ascii = STR_INIT;

        json_add_text(&raw, texts[i].text, false);
        json_add_text(&ascii, texts[i].text, true);
        assert_string_equal(str_text(&raw), texts[i].raw);
        assert_string_equal(str_text(&ascii), texts[i].ascii);
    }
}

static void values_look_as_python_writes_them(void **state)
{
    static const char text[] =
        "{\"a\": [1, -2, 1.5, 0.1, 1e+30, true, false, null], \"b\": {\"c\": \"d\"}, \"e\": [], \"f\": {}}";
    CLEANUP(json_drop) json_t *j = json_loads(text, 0, NULL);
    CLEANUP(str_done) struct str out = STR_INIT;

    (void)state;
    json_add_value(&out, j, true);
    assert_string_equal(str_text(&out), text);
}

static void the_image_document(void **state)
{
    struct image_property properties[] = { { "os_glance_stage_host", "hidden" },
                                           { "p", "1" },
                                           { "null", NULL } };
    const char *tags[] = { "x", "y" };
    struct image_location locations[] = { { 1, "file:///i", "{}", "active" } };
    struct image im = {
        .id = "i",
        .name = "n",
        .status = IMAGE_ACTIVE,
        .visibility = IMAGE_PUBLIC,
        .size = 3,
        .virtual_size = -1,
        .min_disk = 1,
        .min_ram = 2,
        .protected = true,
        .created_us = 0,
        .updated_us = CLOCK_SECOND,
        .properties = properties,
        .n_properties = 3,
        .tags = tags,
        .n_tags = 2,
        .locations = locations,
        .n_locations = 1,
    };
    struct image_doc_options shown = { .show_direct_url = true, .show_locations = true };
    struct image_doc_options hidden = { .show_direct_url = true,
                                        .show_locations = true,
                                        .hide_locations = true };
    CLEANUP(str_done) struct str out = STR_INIT;
    CLEANUP(json_drop) json_t *parsed = NULL;

    (void)state;
    image_doc_write(&out, &im, &shown);
    assert_string_equal(
        str_text(&out),
        "{\"p\": \"1\", \"null\": null, \"name\": \"n\", \"disk_format\": null, \"container_format\": null, "
        "\"visibility\": \"public\", "
        "\"size\": 3, \"virtual_size\": null, \"status\": \"active\", \"checksum\": null, \"protected\": "
        "true, \"min_ram\": 2, "
        "\"min_disk\": 1, \"owner\": null, \"os_hidden\": false, \"os_hash_algo\": null, \"os_hash_value\": "
        "null, \"id\": \"i\", "
        "\"created_at\": \"1970-01-01T00:00:00Z\", \"updated_at\": \"1970-01-01T00:00:01Z\", "
        "\"locations\": [{\"url\": \"file:///i\", \"metadata\": {}}], \"direct_url\": \"file:///i\", "
        "\"tags\": [\"x\", \"y\"], "
        "\"self\": \"/v2/images/i\", \"file\": \"/v2/images/i/file\", \"schema\": \"/v2/schemas/image\"}");
    parsed = json_parse(str_text(&out), out.len);
    assert_non_null(parsed);
    str_clear(&out);
    image_doc_write(&out, &im, &hidden);
    assert_non_null(strstr(str_text(&out), "\"locations\": [], \"tags\""));
    assert_null(strstr(str_text(&out), "direct_url"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_forms),
        cmocka_unit_test(what_is_not_utf8_is_replaced),
        cmocka_unit_test(values_look_as_python_writes_them),
        cmocka_unit_test(the_image_document),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
