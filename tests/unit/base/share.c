/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

/* Takes places until no more are given; how many. */
static unsigned fill(unsigned *taken, unsigned max, unsigned percent)
{
    unsigned held = 0;

    while (share_allows(held, *taken, max, percent)) {
        held++;
        ++*taken;
    }
    return held;
}

static void test_one_holder_gets_its_part(void **state UNUSED)
{
    static const struct {
        unsigned max, percent, held;
    } cases[] = {
        { 64, 50, 32 },      { 512, 50, 256 },  { 8, 50, 4 },    { 8, 75, 6 },
        { 16384, 25, 4096 }, { 512, 100, 512 }, { 1, 50, 1 },    { 2, 50, 1 },
        { 3, 50, 2 },        { 1, 1, 1 },       { 4096, 1, 41 }, { 1048576, 99, 1038091 },
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        unsigned taken = 0;

        assert_int_equal(fill(&taken, cases[i].max, cases[i].percent), cases[i].held);
    }
}

static void test_ten_holders_leave_room(void **state UNUSED)
{
    static const unsigned sizes[] = { 64, 512, 16384 };

    for (size_t i = 0; i < COUNT(sizes); i++) {
        unsigned taken = 0, before = UINT32_MAX;

        for (int holder = 0; holder < 10; holder++) {
            unsigned got = fill(&taken, sizes[i], 50);

            assert_true(got >= 1 && got <= before);
            before = got;
        }
        assert_true(sizes[i] - taken >= (sizes[i] < 512 ? 1 : sizes[i] / 20));
        assert_true(share_allows(0, taken, sizes[i], 50));
    }
}

static void test_a_full_pool_gives_nothing(void **state UNUSED)
{
    assert_false(share_allows(0, 8, 8, 50));
    assert_false(share_allows(0, 9, 8, 100));
    assert_false(share_allows(0, 0, 0, 100));
    assert_true(share_allows(0, 7, 8, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_holder_gets_its_part),
        cmocka_unit_test(test_ten_holders_leave_room),
        cmocka_unit_test(test_a_full_pool_gives_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
