/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "test.h"

#include "inspect/format.h"

static const uint8_t stream[] = "0123456789";

static void window_collects(void **state UNUSED)
{
    CLEANUP(window_close) struct window w = { 0 };

    assert_false(window_full(&w));
    window_open(&w, 3, 4);
    assert_int_equal(window_wants(&w), 3);
    window_feed(&w, 0, stream, 2);
    assert_int_equal(window_wants(&w), 3);
    window_feed(&w, 2, stream + 2, 3);
    assert_int_equal(window_wants(&w), 5);
    window_feed(&w, 1, stream + 1, 5); /* bytes that it has may come again */
    assert_int_equal(window_wants(&w), 6);
    assert_false(window_full(&w));
    window_feed(&w, 6, stream + 6, 4);
    assert_true(window_full(&w));
    assert_int_equal(window_wants(&w), ENOUGH);
    assert_memory_equal(w.bytes, "3456", 4);
    window_feed(&w, 0, stream, 10);
    assert_memory_equal(w.bytes, "3456", 4);
}

static void window_misses(void **state UNUSED)
{
    CLEANUP(window_close) struct window w = { 0 };

    window_open(&w, 3, 4);
    window_feed(&w, 4, stream + 4, 6);
    assert_int_equal(window_wants(&w), ENOUGH);
    assert_false(window_full(&w));
    window_feed(&w, 0, stream, 10); /* too late for a second chance */
    assert_false(window_full(&w));
}

static void window_beyond_all_offsets(void **state UNUSED)
{
    CLEANUP(window_close) struct window w = { 0 };

    window_open(&w, UINT64_MAX - 3, 4);
    assert_int_equal(window_wants(&w), ENOUGH);
    assert_false(window_full(&w));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(window_collects),
        cmocka_unit_test(window_misses),
        cmocka_unit_test(window_beyond_all_offsets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
