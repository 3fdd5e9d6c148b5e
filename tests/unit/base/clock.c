/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define AT INT64_C(1795335660123456) /* 2026-11-22 08:21:00.123456 */

static void clock_writes(void **state)
{
    char text[CLOCK_TEXT_MAX];

    (void)state;
    assert_string_equal(clock_iso(AT, text), "2026-11-22T08:21:00Z");
    assert_string_equal(clock_sql(AT, text), "2026-11-22 08:21:00.123456");
    assert_string_equal(clock_http(AT, text), "Sun, 22 Nov 2026 08:21:00 GMT");
    assert_string_equal(clock_sql(0, text), "1970-01-01 00:00:00.000000");
    assert_string_equal(clock_sql(-1, text), "1969-12-31 23:59:59.999999");
    assert_string_equal(clock_sql(INT64_MIN, text), "0001-01-01 00:00:00.000000");
    assert_string_equal(clock_sql(INT64_MAX, text), "9999-12-31 23:59:59.999999");
}

/* Every day that has a four-digit year, there and back, beside the C library's calendar. */
static void clock_knows_the_calendar(void **state)
{
    (void)state;
    for (int64_t day = -719162; day <= 2932896; day++) {
        char mine[CLOCK_TEXT_MAX], theirs[CLOCK_TEXT_MAX];
        time_t sec = (time_t)day * 86400 + 86399 - (time_t)(day & 0xFFFF);
        int64_t back;
        struct tm tm;

        gmtime_r(&sec, &tm);
        strftime(theirs, sizeof theirs, "%a, %d %b ", &tm);
        snprintf(theirs + strlen(theirs), sizeof theirs - strlen(theirs), "%04d %02d:%02d:%02d GMT",
                 tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
        assert_string_equal(clock_http(sec * CLOCK_SECOND, mine), theirs);
        assert_true(clock_from_iso(clock_iso(sec * CLOCK_SECOND, mine), &back));
        assert_int_equal(back, sec * CLOCK_SECOND);
    }
}

static const struct {
    const char *text;
    bool valid;
    int64_t us;
} times[] = {
    { "2026-11-22 08:21:00.123456", true, AT },
    { "2026-11-22 08:21:00", true, AT - 123456 },
    { "2026-11-22T08:21:00Z", true, AT - 123456 },
    { "2026-11-22T08:21:00.123456Z", true, AT },
    { "2026-11-22T08:21:00.123456789Z", true, AT },
    { "2026-11-22T09:21:00+01:00", true, AT - 123456 },
    { "2026-11-22T09:21:00+0100", true, AT - 123456 },
    { "2026-11-22T03:21:00-05", true, AT - 123456 },
    { "2026-11-22T08:21", true, AT - 123456 },
    { "1970-01-01", true, 0 },
    { "1970", true, 0 },
    { "2024-02-29", true, INT64_C(1709164800000000) },
    { "2023-02-29", false, 0 },
    { "1900-02-29", false, 0 },
    { "2026-13-01", false, 0 },
    { "2026-00-01", false, 0 },
    { "2026-11-31", false, 0 },
    { "2026-11-22T24:00:00Z", false, 0 },
    { "2026-11-22T08:60:00Z", false, 0 },
    { "2026-11-22T08:21:00.Z", false, 0 },
    { "2026-11-22T08:21:00X", false, 0 },
    { "2026-11-22T08:21:00Zjunk", false, 0 },
    { "2026-11-22T08:21:00+25:00", false, 0 },
    { "yesterday", false, 0 },
    { "", false, 0 },
};

static void clock_reads_iso(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(times); i++) {
        int64_t us = -1;
        bool valid = clock_from_iso(times[i].text, &us);

        CHECK_CASE(times[i].text, valid == times[i].valid);
        CHECK_CASE(times[i].text, !valid || us == times[i].us);
    }
}

static void clock_reads_what_it_writes(void **state)
{
    char text[CLOCK_TEXT_MAX];
    int64_t us;

    (void)state;
    for (int64_t t = -1; t < INT64_C(4000000000); t += 86400 * 29 + 12345) {
        int64_t at = t * CLOCK_SECOND + 7;

        assert_true(clock_from_sql(clock_sql(at, text), &us));
        assert_int_equal(us, at);
    }
}

static void clock_goes_on(void **state)
{
    int64_t a = clock_mono_us(), b = clock_mono_us();

    (void)state;
    assert_true(a > 0 && b >= a);
    assert_true(clock_now_us() > INT64_C(1700000000000000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clock_writes),    cmocka_unit_test(clock_knows_the_calendar),
        cmocka_unit_test(clock_reads_iso), cmocka_unit_test(clock_reads_what_it_writes),
        cmocka_unit_test(clock_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
