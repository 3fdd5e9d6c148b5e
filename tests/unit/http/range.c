/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http.h"
#include "test.h"

struct row {
    const char *header;
    uint64_t size;
    enum http_range_kind kind;
    uint64_t offset, len;
};

static const struct row ranges[] = {
    { NULL, 100, RANGE_NONE, 0, 0 },
    { "bytes=0-0", 100, RANGE_ONE, 0, 1 },
    { "bytes=10-19", 100, RANGE_ONE, 10, 10 },
    { "bytes=90-", 100, RANGE_ONE, 90, 10 },
    { "bytes=90-1000", 100, RANGE_ONE, 90, 10 },
    { "bytes=-10", 100, RANGE_ONE, 90, 10 },
    { "bytes=-1000", 100, RANGE_ONE, 0, 100 },
    { " bytes = 1 - 2 ", 100, RANGE_ONE, 1, 2 },
    { "bytes=100-", 100, RANGE_UNSATISFIABLE, 0, 0 },
    { "bytes=99999999999999999999999-", 100, RANGE_UNSATISFIABLE, 0, 0 },
    { "bytes=0-99999999999999999999999", 100, RANGE_ONE, 0, 100 },
    { "bytes=-0", 100, RANGE_ONE, 0, 100 },
    { "BYTES=1-2", 100, RANGE_ONE, 1, 2 },
    { "bytes=1-2x", 100, RANGE_ONE, 1, 2 },
    { "bytes=98-x", 100, RANGE_ONE, 98, 2 },
    { "bytes=0-", 0, RANGE_UNSATISFIABLE, 0, 0 },
    { "bytes=5-2", 100, RANGE_MALFORMED, 0, 0 },
    { "bytes=-", 100, RANGE_MALFORMED, 0, 0 },
    { "bytes=a-b", 100, RANGE_MALFORMED, 0, 0 },
    { "bytes=1", 100, RANGE_MALFORMED, 0, 0 },
    { "bytes=+1-2", 100, RANGE_MALFORMED, 0, 0 },
    { "bytes=--1", 100, RANGE_MALFORMED, 0, 0 },
    { "items=1-2", 100, RANGE_MALFORMED, 0, 0 },
    { "", 100, RANGE_MALFORMED, 0, 0 },
    { "bytes=0-1,3-4", 100, RANGE_SEVERAL, 0, 0 },
};

static const struct row content_ranges[] = {
    { NULL, 100, RANGE_NONE, 0, 0 },
    { "bytes 0-9/*", 100, RANGE_ONE, 0, 10 },
    { "bytes 5-9/100", 100, RANGE_ONE, 5, 5 },
    { "bytes=0-9/*", 100, RANGE_MALFORMED, 0, 0 },
    { "Bytes 0-9/*", 100, RANGE_MALFORMED, 0, 0 },
    { "bytes  0-9/*", 100, RANGE_MALFORMED, 0, 0 },
    { "bytes 50-100/*", 100, RANGE_UNSATISFIABLE, 0, 0 },
    { "bytes 9-5/*", 100, RANGE_MALFORMED, 0, 0 },
    { "bytes 0-9", 100, RANGE_MALFORMED, 0, 0 },
    { "bytes */100", 100, RANGE_MALFORMED, 0, 0 },
    { "bytes 0-9/5", 100, RANGE_MALFORMED, 0, 0 },
    { "nonsense", 100, RANGE_MALFORMED, 0, 0 },
};

static void check(const struct row *rows, size_t n,
                  enum http_range_kind (*parse)(const char *, uint64_t, struct http_range *))
{
    for (size_t i = 0; i < n; i++) {
        const char *name = rows[i].header ? rows[i].header : "(none)";
        struct http_range r = { 0, 0 };

        CHECK_CASE(name, parse(rows[i].header, rows[i].size, &r) == rows[i].kind);
        if (rows[i].kind == RANGE_ONE)
            CHECK_CASE(name, r.offset == rows[i].offset && r.len == rows[i].len);
    }
}

static void range_rows(void **state)
{
    (void)state;
    check(ranges, COUNT(ranges), http_range_parse);
}

static void content_range_rows(void **state)
{
    (void)state;
    check(content_ranges, COUNT(content_ranges), http_content_range_parse);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(range_rows),
        cmocka_unit_test(content_range_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
