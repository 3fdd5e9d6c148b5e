/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http.h"
#include "test.h"

static const char *const offers[] = { "text/html", "application/json" };

static const struct {
    const char *header;
    int best;
} rows[] = {
    { NULL, -1 },
    { "", -1 },
    { "text/plain", -1 },
    { "*/*", 0 },
    { "text/*", 0 },
    { "application/json", 1 },
    { "APPLICATION/JSON", 1 },
    { "application/json, text/html", 0 },
    { "text/html;q=0.5, application/json", 1 },
    { "application/json;q=0.2, */*;q=0.1", 1 },
    { "text/html;q=0, application/json;q=0", -1 },
    { "*/*;q=0.5, text/html;q=0", 1 },
    { "application/*;q=0.9,text/html;q=0.95", 0 },
    { ",, application/json ;q=1.0", 1 },
    { "application/json;q=junk", 0 },
    { "application/json;q=2", 0 },
    { "application/json;q=0.1234", 0 },
    { "application/json; charset=utf-8", -1 },
    { "text/html;level=\"1\"", -1 },
    { "junk", 0 },
    { "a/b/c", 0 },
};

static void accept_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        CHECK_CASE(rows[i].header ? rows[i].header : "(none)",
                   http_accept_best(rows[i].header, offers, COUNT(offers)) == rows[i].best);
}

static void media_type_without_parameters(void **state)
{
    char out[64];

    (void)state;
    assert_true(http_media_type("application/octet-stream; charset=x", out, sizeof out));
    assert_string_equal(out, "application/octet-stream");
    assert_false(http_media_type(NULL, out, sizeof out));
    assert_false(http_media_type("  ", out, sizeof out));
    assert_false(http_media_type("application/octet-stream", out, 10));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accept_rows),
        cmocka_unit_test(media_type_without_parameters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
