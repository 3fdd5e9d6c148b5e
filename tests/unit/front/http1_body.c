/* SPDX-License-Identifier: Apache-2.0 */
/* How slow a body may be: only the time that was spent waiting for it counts. */
#include "test.h"

#include "front/http1/http1_private.h"

static const struct {
    const char *name;
    uint64_t bytes_a_wait; /* that came with each wait */
    int64_t wait_us;
    int waits;
    unsigned min_rate;
    bool fast_enough;
} rates[] = {
    { "no time yet", 0, CLOCK_SECOND, 59, 1000, true },
    { "nothing in a minute", 0, CLOCK_SECOND, 60, 1000, false },
    { "just enough", 1000, CLOCK_SECOND, 600, 1000, true },
    { "a little too slow", 999, CLOCK_SECOND, 60, 1000, false },
    { "a byte now and then", 1, 29 * CLOCK_SECOND, 3, 1000, false },
    { "fast in bursts", 600000, 60 * CLOCK_SECOND, 10, 1000, true },
};

static void minimum_rate(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rates); i++) {
        struct rate r = { 0 };
        bool fast = true;

        for (int n = 0; n < rates[i].waits && fast; n++) {
            r.bytes += rates[i].bytes_a_wait;
            fast = rate_waited(&r, rates[i].wait_us, rates[i].min_rate);
        }
        CHECK_CASE(rates[i].name, fast == rates[i].fast_enough);
    }
}

/* A fast minute is no credit for a slow one. */
static void each_window_counts(void **state)
{
    struct rate r = { .bytes = 1 << 30 };

    (void)state;
    assert_true(rate_waited(&r, 60 * CLOCK_SECOND, 1000));
    assert_false(rate_waited(&r, 60 * CLOCK_SECOND, 1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(minimum_rate),
        cmocka_unit_test(each_window_counts),
    };

    return cmocka_run_group_tests_name("front-http1-body", tests, NULL, NULL);
}
