/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "embed/embed.h"

/* What passed, as "name: value" lines. */
static void collect(void *arg, const char *name, const char *value)
{
    str_addf(arg, "%s: %s\n", name, value);
}

static const struct {
    const char *name, *method;
    int status;
    int64_t length;
    const char *header, *value, *passed;
    bool bodyless;
} heads[] = {
    { "the length is declared", "GET", 200, 5, NULL, NULL, "Content-Length: 5\n", false },
    { "an unknown length is not", "GET", 200, -1, NULL, NULL, "", false },
    { "a length that agrees passes once", "GET", 200, 5, "content-length", "5", "content-length: 5\n",
      false },
    { "a length that does not agree is replaced", "GET", 200, 5, "Content-Length", "6", "Content-Length: 5\n",
      false },
    { "a length that only the header tells", "GET", 200, -1, "Content-Length", "6", "Content-Length: 6\n",
      false },
    { "nonsense for a length", "GET", 200, -1, "Content-Length", "six", "", false },
    { "204 has the length that the service gave", "PUT", 204, 0, "Content-Length", "0", "Content-Length: 0\n",
      true },
    { "204 is given none", "PUT", 204, 0, NULL, NULL, "", true },
    { "304 neither", "GET", 304, 0, NULL, NULL, "", true },
    { "HEAD tells of a body that is not sent", "HEAD", 200, 7, NULL, NULL, "Content-Length: 7\n", true },
    { "the connection is not the service's", "GET", 200, 0, "Connection", "close", "Content-Length: 0\n",
      false },
    { "nor is its coding", "GET", 200, 0, "Transfer-Encoding", "chunked", "Content-Length: 0\n", false },
    { "nor keeping it", "GET", 200, 0, "KEEP-ALIVE", "x", "Content-Length: 0\n", false },
    { "others pass", "GET", 200, 0, "X-Y", "z", "X-Y: z\nContent-Length: 0\n", false },
    { "without a method", NULL, 400, 3, NULL, NULL, "Content-Length: 3\n", false },
};

static void test_heads(void **state UNUSED)
{
    for (size_t i = 0; i < COUNT(heads); i++) {
        CLEANUP(str_done) struct str passed = STR_INIT;
        struct http_header one = { heads[i].header, heads[i].value };
        struct http_headers h = { &one, heads[i].header ? 1 : 0, 1 };
        struct http_request rq = { .method = heads[i].method };
        struct embedded_answer a = { 0 };
        int began = embedded_answer_begin(&a, &rq, heads[i].status, &h, heads[i].length, collect, &passed);

        CHECK_CASE(heads[i].name, began == 0 && a.headed);
        CHECK_CASE(heads[i].name, str_eq(str_text(&passed), heads[i].passed));
        CHECK_CASE(heads[i].name, a.bodyless == heads[i].bodyless);
        CHECK_CASE(heads[i].name, embedded_answer_begin(&a, &rq, heads[i].status, &h, heads[i].length,
                                                        collect, &passed) < 0);
    }
}

static void test_a_date_is_seen(void **state UNUSED)
{
    CLEANUP(str_done) struct str passed = STR_INIT;
    struct http_header date = { "date", "Sun, 22 Nov 2026 08:21:00 GMT" };
    struct http_headers h = { &date, 1, 1 };
    struct http_request rq = { .method = "GET" };
    struct embedded_answer a = { 0 };

    assert_int_equal(embedded_answer_begin(&a, &rq, 200, &h, 0, collect, &passed), 0);
    assert_true(a.dated);
}

static void begin(struct embedded_answer *a, const char *method, int64_t length)
{
    CLEANUP(str_done) struct str passed = STR_INIT;
    struct http_request rq = { .method = method };

    *a = (struct embedded_answer){ 0 };
    assert_int_equal(embedded_answer_begin(a, &rq, 200, NULL, length, collect, &passed), 0);
}

static void test_no_more_goes_out_than_was_promised(void **state UNUSED)
{
    struct embedded_answer a;

    begin(&a, "GET", 10);
    assert_true(embedded_answer_is_short(&a));
    assert_int_equal(embedded_answer_take(&a, 4), 4);
    assert_true(embedded_answer_is_short(&a));
    assert_int_equal(embedded_answer_take(&a, 9), 6);
    assert_false(embedded_answer_is_short(&a));
    assert_int_equal(embedded_answer_take(&a, 1), 0);
    begin(&a, "GET", -1);
    assert_int_equal(embedded_answer_take(&a, 1000), 1000);
    assert_false(embedded_answer_is_short(&a));
    begin(&a, "HEAD", 10);
    assert_int_equal(embedded_answer_take(&a, 10), 0);
    assert_false(embedded_answer_is_short(&a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heads),
        cmocka_unit_test(test_a_date_is_seen),
        cmocka_unit_test(test_no_more_goes_out_than_was_promised),
    };

    return cmocka_run_group_tests_name("answer", tests, NULL, NULL);
}
