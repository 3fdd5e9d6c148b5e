/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http.h"
#include "test.h"

#define NOW INT64_C(1795305600) /* 2026-11-22 */

static const struct {
    const char *text;
    int64_t seconds; /* -1: it is none */
} dates[] = {
    { "Sun, 06 Nov 1994 08:49:37 GMT", 784111777 },
    { "Sunday, 06-Nov-94 08:49:37 GMT", 784111777 },
    { "Sun Nov  6 08:49:37 1994", 784111777 },
    { "Sun Nov 16 08:49:37 1994", 784975777 },
    { "Mon, 06 Nov 1994 08:49:37 GMT", 784111777 }, /* it was a Sunday */
    { "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
    { "Sat, 31 Dec 2016 23:59:60 GMT", 1483228800 },
    { "Fri, 31 Dec 9999 23:59:59 GMT", INT64_C(253402300799) },
    { "Thu, 29 Feb 2024 12:00:00 GMT", 1709208000 },
    { "Sunday, 06-Nov-76 00:00:00 GMT", INT64_C(3371846400) }, /* less than fifty years ahead */
    { "Sunday, 30-Nov-76 00:00:00 GMT", INT64_C(218160000) },  /* more: 1976 */
    { "Wednesday, 01-Jan-00 00:00:00 GMT", INT64_C(946684800) },
    { "", -1 },
    { "Sun, 06 Nov 1994 08:49:37", -1 },
    { "Sun, 06 Nov 1994 08:49:37 GMT+1", -1 },
    { "Sun, 06 Nov 1994 08:49:37 UTC", -1 },
    { "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT", -1 },
    { "sun, 06 nov 1994 08:49:37 gmt", -1 },
    { "Sun, 6 Nov 1994 08:49:37 GMT", -1 },
    { "Sun, 06 Foo 1994 08:49:37 GMT", -1 },
    { "Sun, 31 Nov 1994 08:49:37 GMT", -1 },
    { "Thu, 29 Feb 2023 12:00:00 GMT", -1 },
    { "Sun, 06 Nov 0000 08:49:37 GMT", -1 },
    { "Sun, 06 Nov 1994 24:00:00 GMT", -1 },
    { "Sun, 06 Nov 1994 08:60:00 GMT", -1 },
    { "Sun, 06 Nov 1994 08:49:61 GMT", -1 },
    { "Sun, 06-Nov-94 08:49:37 GMT", -1 },
    { "Sunday, 06 Nov 1994 08:49:37 GMT", -1 },
    { "Sun Nov 6 08:49:37 1994", -1 },
    { "Sun Nov 06 08:49:37 1994", 784111777 },
    { "Sun Nov  6 08:49:37 1994 GMT", -1 },
    { "784111777", -1 },
    { "1994-11-06T08:49:37Z", -1 },
};

static void dates_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(dates); i++) {
        int64_t us = -1;
        bool read = http_date_parse(dates[i].text, NOW * CLOCK_SECOND, &us);

        CHECK_CASE(dates[i].text, read == (dates[i].seconds >= 0));
        CHECK_CASE(dates[i].text, !read || us == dates[i].seconds * CLOCK_SECOND);
    }
}

static void what_is_written_is_read(void **state)
{
    char text[CLOCK_TEXT_MAX];
    int64_t us;

    (void)state;
    for (int64_t t = 0; t < INT64_C(6000000000); t += 86400 * 29 + 12345) {
        assert_true(http_date_parse(clock_http(t * CLOCK_SECOND + 999999, text), NOW * CLOCK_SECOND, &us));
        assert_int_equal(us, t * CLOCK_SECOND);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_are_read),
        cmocka_unit_test(what_is_written_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
