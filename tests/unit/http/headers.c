/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http.h"
#include "test.h"

static void line_breaks_never_enter(void **state)
{
    struct arena *a = arena_make(512);
    struct http_headers h = { 0 };

    (void)state;
    headers_add(a, &h, "Location", "/x\r\nSet-Cookie: a=b");
    headers_add(a, &h, "X-Y\n", "z");
    assert_int_equal(h.n, 0);
    arena_free(a);
}

static void names_are_found_in_any_case_and_dropped(void **state)
{
    struct arena *a = arena_make(512);
    struct http_headers h = { 0 };

    (void)state;
    for (int i = 0; i < 20; i++)
        headers_addf(a, &h, i % 2 ? "Odd" : "Even", "%d", i);
    assert_string_equal(headers_get(&h, "odd"), "1");
    headers_drop(&h, "EVEN");
    assert_int_equal(h.n, 10);
    assert_null(headers_get(&h, "Even"));
    assert_string_equal(h.items[9].value, "19");
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_breaks_never_enter),
        cmocka_unit_test(names_are_found_in_any_case_and_dropped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
