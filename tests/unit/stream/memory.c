/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "stream/stream.h"

static const struct {
    const char *name;
    const char *data;
    size_t piece, want, reads;
} cases[] = {
    { "all at once", "abcdefgh", 0, 100, 1 },
    { "by the reader's size", "abcdefgh", 0, 3, 3 },
    { "by the source's piece", "abcdefgh", 2, 100, 4 },
    { "nothing", "", 0, 100, 0 },
};

static void memory_gives_its_bytes_in_order(void **state UNUSED)
{
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct stream_memory m = { .data = cases[i].data,
                                   .len = strlen(cases[i].data),
                                   .piece = cases[i].piece };
        struct stream_source s = stream_memory_source(&m);
        struct error e;
        char got[100] = "";
        size_t len = 0, reads = 0;
        ssize_t n;

        while ((n = s.read(s.arg, got + len, cases[i].want < 50 ? cases[i].want : 50, &e)) > 0) {
            len += (size_t)n;
            reads++;
        }
        CHECK_CASE(cases[i].name, n == 0);
        CHECK_CASE(cases[i].name, str_eq(got, cases[i].data));
        CHECK_CASE(cases[i].name, reads == cases[i].reads);
        CHECK_CASE(cases[i].name, s.read(s.arg, got, 1, &e) == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(memory_gives_its_bytes_in_order) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
