/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "stream/stream.h"

static const struct {
    const char *name;
    uint64_t max;
    size_t pieces[3];
    int refused_at; /* index of the first refused piece, or -1 */
} cases[] = {
    { "below the limit", 100, { 10, 20, 30 }, -1 },
    { "exactly the limit", 60, { 10, 20, 30 }, -1 },
    { "one byte over", 59, { 10, 20, 30 }, 2 },
    { "nothing allowed", 0, { 1, 1, 1 }, 0 },
    { "nothing allowed, nothing sent", 0, { 0, 0, 0 }, -1 },
    { "no wrap at the end of the numbers", UINT64_MAX, { SIZE_MAX, 1, 1 }, 1 },
};

static void limit_refuses_the_first_byte_over(void **state UNUSED)
{
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct stream_limit l = { .max = cases[i].max, .message = "too much of it" };
        struct stream_sink s = stream_limit_sink(&l);
        struct error e;
        int refused = -1;

        for (int k = 0; k < 3 && refused < 0; k++)
            if (s.write(s.arg, "", cases[i].pieces[k], &e) < 0)
                refused = k;
        CHECK_CASE(cases[i].name, refused == cases[i].refused_at);
        if (refused >= 0) {
            CHECK_CASE(cases[i].name, e.kind == ERROR_TOO_LARGE);
            CHECK_CASE(cases[i].name, str_eq(e.message, "too much of it"));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(limit_refuses_the_first_byte_over) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
