/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http.h"
#include "test.h"

#include <string.h>

#define BEFORE "Sun, 06 Nov 1994 08:49:36 GMT"
#define THEN   "Sun, 06 Nov 1994 08:49:37 GMT"
#define AFTER  "Sunday, 06-Nov-94 08:49:38 GMT"
#define US     (INT64_C(784111777) * CLOCK_SECOND + 123456)

static const struct http_validators both = { .exists = true, .etag = "\"a\"", .modified_us = US };
static const struct http_validators no_tag = { .exists = true, .modified_us = US };
static const struct http_validators no_date = { .exists = true, .etag = "\"a\"" };
static const struct http_validators nothing = { .exists = false };

/* ---- lists of tags, by a read with If-None-Match ---- */

static const struct {
    const char *list;
    bool weakly, strongly; /* does it name "a"? */
} lists[] = {
    { "\"a\"", true, true },
    { "W/\"a\"", true, false },
    { "w/\"a\"", false, false },
    { "W/ \"a\"", false, false },
    { "\"b\"", false, false },
    { "\"b\", \"a\"", true, true },
    { "\"b\",\"a\"", true, true },
    { "\"b\"\t ,\t\"a\"\t", true, true },
    { ",, ,\"a\",", true, true },
    { "\"b\", W/\"a\", W/\"c\"", true, false },
    { "W/\"a\", \"a\"", true, true },
    { "\"b,\", \"a\"", true, true },
    { "\",\"a\",\"", false, false }, /* the tag "," and then what is none */
    { "\"b\" \"a\"", false, false },
    { "\"b\"\"a\"", false, false },
    { "a", false, false },
    { "b, \"a\"", false, false },
    { "\"a", false, false },
    { "\"a\"x", false, false },
    { "\"A\"", false, false },
    { "\"aa\"", false, false },
    { "\"\"", false, false },
    { "\"a b\", \"a\"", false, false },
    { "\"\xC3\xA9\", \"a\"", true, true },
    { "", false, false },
    { "*", true, true },
    { " * ", true, true },
    { "*, \"b\"", false, false },
    { "\"*\"", false, false },
    { "**", false, false },
};

static void lists_of_tags(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(lists); i++) {
        struct http_conditions none = { .if_none_match = lists[i].list },
                               match = { .if_match = lists[i].list };

        CHECK_CASE(lists[i].list,
                   (http_conditions_judge(&none, true, &both) == HTTP_UNCHANGED) == lists[i].weakly);
        CHECK_CASE(lists[i].list,
                   (http_conditions_judge(&none, false, &both) == HTTP_MATCHED) == lists[i].weakly);
        CHECK_CASE(lists[i].list,
                   (http_conditions_judge(&match, true, &both) == HTTP_HOLDS) == lists[i].strongly);
        CHECK_CASE(lists[i].list,
                   (http_conditions_judge(&match, false, &both) == HTTP_HOLDS) == lists[i].strongly);
        CHECK_CASE(lists[i].list, http_conditions_judge(&none, true, &nothing) == HTTP_HOLDS);
        CHECK_CASE(lists[i].list, http_conditions_judge(&match, false, &nothing) == HTTP_NO_MATCH);
    }
}

/* ---- precedence ---- */

static const struct {
    const char *name;
    struct http_conditions given;
    const struct http_validators *of;
    enum http_verdict read, write;
} rows[] = {
    { "none", { 0 }, &both, HTTP_HOLDS, HTTP_HOLDS },
    { "none, nothing there", { 0 }, &nothing, HTTP_HOLDS, HTTP_HOLDS },
    { "star needs no tag", { .if_match = "*" }, &no_tag, HTTP_HOLDS, HTTP_HOLDS },
    { "a tag needs one", { .if_match = "\"a\"" }, &no_tag, HTTP_NO_MATCH, HTTP_NO_MATCH },
    { "star without a tag", { .if_none_match = "*" }, &no_tag, HTTP_UNCHANGED, HTTP_MATCHED },
    { "no tag is not excluded", { .if_none_match = "\"a\"" }, &no_tag, HTTP_HOLDS, HTTP_HOLDS },
    { "not since", { .if_modified_since = THEN }, &both, HTTP_UNCHANGED, HTTP_HOLDS },
    { "not since later", { .if_modified_since = AFTER }, &both, HTTP_UNCHANGED, HTTP_HOLDS },
    { "since before", { .if_modified_since = BEFORE }, &both, HTTP_HOLDS, HTTP_HOLDS },
    { "since never", { .if_modified_since = "yesterday" }, &both, HTTP_HOLDS, HTTP_HOLDS },
    { "since two dates", { .if_modified_since = AFTER ", " AFTER }, &both, HTTP_HOLDS, HTTP_HOLDS },
    { "since, undated", { .if_modified_since = AFTER }, &no_date, HTTP_HOLDS, HTTP_HOLDS },
    { "since, not there", { .if_modified_since = AFTER }, &nothing, HTTP_HOLDS, HTTP_HOLDS },
    { "unmodified", { .if_unmodified_since = THEN }, &both, HTTP_HOLDS, HTTP_HOLDS },
    { "unmodified since later", { .if_unmodified_since = AFTER }, &both, HTTP_HOLDS, HTTP_HOLDS },
    { "modified", { .if_unmodified_since = BEFORE }, &both, HTTP_MODIFIED, HTTP_MODIFIED },
    { "unmodified since never", { .if_unmodified_since = "0" }, &both, HTTP_HOLDS, HTTP_HOLDS },
    { "unmodified, undated", { .if_unmodified_since = BEFORE }, &no_date, HTTP_HOLDS, HTTP_HOLDS },
    { "a tag before a date, true",
      { .if_match = "\"a\"", .if_unmodified_since = BEFORE },
      &both,
      HTTP_HOLDS,
      HTTP_HOLDS },
    { "a tag before a date, false",
      { .if_match = "\"b\"", .if_unmodified_since = AFTER },
      &both,
      HTTP_NO_MATCH,
      HTTP_NO_MATCH },
    { "no tag before a date, true",
      { .if_none_match = "\"b\"", .if_modified_since = AFTER },
      &both,
      HTTP_HOLDS,
      HTTP_HOLDS },
    { "no tag before a date, false",
      { .if_none_match = "\"a\"", .if_modified_since = BEFORE },
      &both,
      HTTP_UNCHANGED,
      HTTP_MATCHED },
    { "what cannot be read hides the date too",
      { .if_none_match = "a", .if_modified_since = AFTER },
      &both,
      HTTP_HOLDS,
      HTTP_HOLDS },
    { "412 before 304",
      { .if_match = "\"b\"", .if_none_match = "\"a\"" },
      &both,
      HTTP_NO_MATCH,
      HTTP_NO_MATCH },
    { "412 by date before 304",
      { .if_unmodified_since = BEFORE, .if_none_match = "\"a\"" },
      &both,
      HTTP_MODIFIED,
      HTTP_MODIFIED },
    { "both hold", { .if_match = "\"a\"", .if_none_match = "\"b\"" }, &both, HTTP_HOLDS, HTTP_HOLDS },
    { "first holds, second not",
      { .if_match = "\"a\"", .if_none_match = "\"a\"" },
      &both,
      HTTP_UNCHANGED,
      HTTP_MATCHED },
};

static void precedence(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        CHECK_CASE(rows[i].name, http_conditions_judge(&rows[i].given, true, rows[i].of) == rows[i].read);
        CHECK_CASE(rows[i].name, http_conditions_judge(&rows[i].given, false, rows[i].of) == rows[i].write);
    }
}

/* ---- If-Range ---- */

static const struct {
    const char *header;
    bool tagged, dated; /* does it hold for a tag; for a date that is strong? */
} ranges[] = {
    { NULL, true, true },
    { "\"a\"", true, false },
    { "W/\"a\"", false, false },
    { "\"b\"", false, false },
    { "\"a\", \"b\"", false, false },
    { "*", false, false },
    { "a", false, false },
    { "", false, false },
    { THEN, false, true },
    { BEFORE, false, false },
    { AFTER, false, false },
    { "nonsense", false, false },
};

static void if_range(void **state)
{
    struct http_validators dated = { .exists = true, .modified_us = US, .modified_strong = true };

    (void)state;
    for (size_t i = 0; i < COUNT(ranges); i++) {
        const char *name = ranges[i].header ? ranges[i].header : "absent";

        CHECK_CASE(name, http_if_range_holds(ranges[i].header, &both) == ranges[i].tagged);
        CHECK_CASE(name, http_if_range_holds(ranges[i].header, &dated) == ranges[i].dated);
    }
    assert_false(http_if_range_holds(THEN, &no_tag)); /* a date that is not strong */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_of_tags),
        cmocka_unit_test(precedence),
        cmocka_unit_test(if_range),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
