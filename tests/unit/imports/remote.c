/* SPDX-License-Identifier: Apache-2.0 */
/* What imports understand of other servers without asking them: catalogs, Retry-After. */
#include "test.h"

#include "imports/fetch.h"

#define ONE_ENDPOINT(text) "[{\"type\": \"image\", \"endpoints\": [" text "]}]"

static const struct {
    const char *name, *catalog, *region, *interface;
    const char *url; /* NULL: there is none */
} catalogs[] = {
    { "of the older form", ONE_ENDPOINT("{\"region\": \"One\", \"publicURL\": \"http://h:9292\"}"), "one",
      "public", "http://h:9292" },
    { "of the newer form",
      ONE_ENDPOINT("{\"region\": \"one\", \"interface\": \"public\", \"url\": \"http://h\"}"), "ONE",
      "public", "http://h" },
    { "region_id", ONE_ENDPOINT("{\"region_id\": \"one\", \"interface\": \"public\", \"url\": \"http://h\"}"),
      "one", "public", "http://h" },
    { "slashes at the end", ONE_ENDPOINT("{\"region\": \"one\", \"publicURL\": \"http://h/image//\"}"), "one",
      "public", "http://h/image" },
    { "the first that has the interface",
      ONE_ENDPOINT("{\"region\": \"one\", \"interface\": \"admin\", \"url\": \"http://a\"}, "
                   "{\"region\": \"one\", \"interface\": \"internal\", \"url\": \"http://i\"}"),
      "one", "internal", "http://i" },
    { "another region", ONE_ENDPOINT("{\"region\": \"two\", \"publicURL\": \"http://h\"}"), "one", "public",
      NULL },
    { "another interface", ONE_ENDPOINT("{\"region\": \"one\", \"publicURL\": \"http://h\"}"), "one", "admin",
      NULL },
    { "another service",
      "[{\"type\": \"compute\", \"endpoints\": [{\"region\": \"one\", \"publicURL\": \"x\"}]}]", "one",
      "public", NULL },
    { "an empty URL", ONE_ENDPOINT("{\"region\": \"one\", \"publicURL\": \"/\"}"), "one", "public", NULL },
    { "a URL that is none", ONE_ENDPOINT("{\"region\": \"one\", \"publicURL\": 1}"), "one", "public", NULL },
    { "endpoints that are none", ONE_ENDPOINT("1, null, \"x\", [], {\"region\": 1}"), "one", "public", NULL },
    { "no list", "{}", "one", "public", NULL },
    { "nothing", "null", "one", "public", NULL },
    { "no region", ONE_ENDPOINT("{\"region\": \"one\", \"publicURL\": \"http://h\"}"), NULL, "public", NULL },
};

static void endpoints_are_found(void **state UNUSED)
{
    for (size_t i = 0; i < COUNT(catalogs); i++) {
        CLEANUP(arena_end) struct arena *a = arena_make(1024);
        CLEANUP(json_drop)
        json_t *method = json_pack("{s:s?, s:s}", "glance_region", catalogs[i].region,
                                   "glance_service_interface", catalogs[i].interface);
        const char *url;
        struct error e;

        CHECK_CASE(catalogs[i].name, import_remote_endpoint(a, catalogs[i].catalog, method, &url, &e) == 0);
        CHECK_CASE(catalogs[i].name, str_eq(url, catalogs[i].url));
    }
}

static void public_is_meant_where_nothing_is_said(void **state UNUSED)
{
    CLEANUP(arena_end) struct arena *a = arena_make(1024);
    CLEANUP(json_drop) json_t *method = json_pack("{s:s}", "glance_region", "one");
    const char *url;
    struct error e;

    assert_int_equal(import_remote_endpoint(a, catalogs[0].catalog, method, &url, &e), 0);
    assert_string_equal(url, "http://h:9292");
    assert_int_equal(import_remote_endpoint(a, NULL, method, &url, &e), 0);
    assert_null(url);
    assert_int_equal(import_remote_endpoint(a, "{", method, &url, &e), -1);
    assert_int_equal(e.kind, ERROR_INVALID);
}

static const struct {
    const char *text;
    int64_t seconds;
} retries[] = {
    { "0", 0 },
    { "1", 1 },
    { "3600", 3600 },
    { "3601", 3600 },
    { "9223372036854775807", 3600 },
    { "99999999999999999999", 0 },
    { "-1", 0 },
    { "1.5", 0 },
    { "soon", 0 },
    { "", 0 },
    { "Sun, 06 Nov 1994 08:50:37 GMT", 60 },
    { "Sun, 06 Nov 1994 08:49:37 GMT", 0 },
    { "Sun, 06 Nov 1993 08:49:37 GMT", 0 },
    { "Mon, 06 Nov 2095 08:49:37 GMT", 3600 },
};

static void servers_are_left_alone(void **state UNUSED)
{
    const int64_t now = 784111777 * CLOCK_SECOND; /* Sun, 06 Nov 1994 08:49:37 GMT */

    for (size_t i = 0; i < COUNT(retries); i++)
        CHECK_CASE(retries[i].text,
                   import_retry_after(retries[i].text, now) == retries[i].seconds * CLOCK_SECOND);
}

static void every_failure_reads_the_same(void **state UNUSED)
{
    struct error e;

    error_set(&e, ERROR_UNAVAILABLE, "Connection refused");
    error_detail(&e, "port 22");
    assert_int_equal(import_unreached(&e), -1);
    assert_int_equal(e.kind, ERROR_UNAVAILABLE);
    assert_string_equal(e.message, IMPORT_FAILED);
    assert_string_equal(e.detail, "Connection refused; port 22");
    error_set(&e, ERROR_ABORTED, "The worker stops.");
    assert_int_equal(import_unreached(&e), -1);
    assert_string_equal(e.message, "The worker stops.");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endpoints_are_found),
        cmocka_unit_test(public_is_meant_where_nothing_is_said),
        cmocka_unit_test(servers_are_left_alone),
        cmocka_unit_test(every_failure_reads_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
