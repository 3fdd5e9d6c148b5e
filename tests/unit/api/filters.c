/* SPDX-License-Identifier: Apache-2.0 */
#include "api/images/filters.h"
#include "test.h"

#include <string.h>

struct row {
    const char *query;
    enum image_filter_kind kind; /* of the first filter */
    const char *column, *value;
    int64_t number;
};

static const struct row good[] = {
    { "name=a", FILTER_TEXT, "name", "a", 0 },
    { "name=eq:a:b", FILTER_TEXT, "name", "a:b", 0 },
    { "name=2000-01-01T00:00:00Z", FILTER_TEXT, "name", "2000-01-01T00:00:00Z", 0 },
    { "name=in:a,b", FILTER_TEXT, "name", "a", 0 },
    { "name=in:%22a,b%22,c", FILTER_TEXT, "name", "a,b", 0 },
    { "name=in:", FILTER_NOTHING, "name", NULL, 0 },
    { "name=x&name=y", FILTER_TEXT, "name", "y", 0 },
    { "size=10.0", FILTER_INT, "size", NULL, 10 },
    { "size=gt:5", FILTER_NOTHING, "size", NULL, 0 },
    { "size_min=+5", FILTER_INT_MIN, "size", NULL, 5 },
    { "min_ram_max=7", FILTER_INT_MAX, "min_ram", NULL, 7 },
    { "hw_min=1", FILTER_NOTHING, "hw_min", NULL, 0 },
    { "protected=true", FILTER_BOOL, "protected", NULL, 1 },
    { "created_at=gt:1970-01-01T00:00:01Z", FILTER_TIME, "created_at", NULL, 1000000 },
    { "os_type=linux", FILTER_PROPERTY, "os_type", "linux", 0 },
    { "properties=x", FILTER_NOTHING, "properties", NULL, 0 },
};

static const struct {
    const char *query, *message;
} bad[] = {
    { "visibility=x", "Invalid visibility value: x" },
    { "changes-since=x", "The \"changes-since\" filter is no longer available on v2." },
    { "os_hidden=1", "Invalid value '1' for 'os_hidden' filter. Valid values are 'true' or 'false'." },
    { "protected=True", "Invalid value 'True' for 'protected' filter. Valid values are 'true' or 'false'." },
    { "name=neq:a", "Unable to filter by unknown operator 'neq'." },
    { "name=in:%22a", "Invalid filter value \"a. The quote is not closed." },
    { "name=in:a%22b", "Invalid filter value a\"b. There is no comma before opening quotation mark." },
    { "name=in:%22a%22b", "Invalid filter value \"a\"b. There is no comma after closing quotation mark." },
    { "size_min=x", "Unable to filter on a range with a non-numeric value." },
    { "size_min=", "Unable to filter on a range with a non-numeric value." },
    { "created_at=x", "Bad \"created_at\" query filter format. Use ISO 8601 DateTime notation." },
    { "created_at=like:2000-01-01", "Unable to filter on a unknown operator." },
    { "x=%ff", "Error decoding your request. Either the URL or the request body contained characters that "
               "could not be decoded by Glance" },
};

static int make(struct arena *a, const char *query, struct image_query *q, struct error *e)
{
    struct list_params p;

    memset(q, 0, sizeof *q);
    error_clear(e);
    if (list_params_read(a, query, &p, e) < 0)
        return -1;
    list_tags_pop(a, &p, q);
    if (list_filters_check(&p, e) < 0)
        return -1;
    return list_filters_make(a, &p, q, e);
}

static void filters(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        struct arena *a = arena_make(512);
        struct image_query q;
        struct error e;

        CHECK_CASE(good[i].query, make(a, good[i].query, &q, &e) == 0 && q.n_filters == 1);
        CHECK_CASE(good[i].query,
                   q.filters[0].kind == good[i].kind && str_eq(q.filters[0].column, good[i].column));
        if (good[i].value)
            CHECK_CASE(good[i].query, str_eq(q.filters[0].values[0], good[i].value));
        CHECK_CASE(good[i].query, q.filters[0].number == good[i].number);
        arena_free(a);
    }
}

static void refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct arena *a = arena_make(512);
        struct image_query q;
        struct error e;

        CHECK_CASE(bad[i].query, make(a, bad[i].query, &q, &e) < 0);
        assert_string_equal(e.message, bad[i].message);
        arena_free(a);
    }
}

static void links_keep_what_may_repeat_and_drop_the_marker(void **state)
{
    CLEANUP(str_done) struct str link = STR_INIT;
    struct arena *a = arena_make(512);
    struct list_params p;
    struct error e;

    (void)state;
    assert_int_equal(
        list_params_read(a, "limit=1&tag=a&marker=m&name=x&tag=b&name=y:z&sort_key=id&sort_key=size", &p, &e),
        0);
    list_link_query(&link, p.items, p.n);
    assert_string_equal(str_text(&link), "?limit=1&tag=a&name=y%3Az&tag=b&sort_key=id&sort_key=size");
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filters),
        cmocka_unit_test(refusals),
        cmocka_unit_test(links_keep_what_may_repeat_and_drop_the_marker),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
