/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "stream/stream.h"

static const struct {
    const char *name;
    size_t len;
    uint64_t at, passed;
    bool fails;
} cases[] = {
    { "before the first byte", 10, 0, 0, true },
    { "in the middle", 10, 4, 4, true },
    { "after the last byte", 10, 10, 10, true },
    { "beyond the end", 10, 11, 10, false },
};

static void fail_at_passes_so_many_bytes(void **state UNUSED)
{
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct stream_memory m = { .data = "0123456789", .len = cases[i].len, .piece = 3 };
        struct stream_fail_at f = { .source = stream_memory_source(&m),
                                    .at = cases[i].at,
                                    .kind = ERROR_ABORTED };
        struct stream_source s = stream_fail_at_source(&f);
        struct error e;
        char buf[16];
        uint64_t passed = 0;
        ssize_t n;

        error_clear(&e);
        while ((n = s.read(s.arg, buf, sizeof buf, &e)) > 0)
            passed += (uint64_t)n;
        CHECK_CASE(cases[i].name, passed == cases[i].passed);
        CHECK_CASE(cases[i].name, (n < 0) == cases[i].fails);
        CHECK_CASE(cases[i].name, e.kind == (cases[i].fails ? ERROR_ABORTED : ERROR_NONE));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(fail_at_passes_so_many_bytes) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
