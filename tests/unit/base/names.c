/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "test.h"

#include "base/base.h"

enum { MANY = 5000 };

static void names_are_found(void **state UNUSED)
{
    struct arena *a = arena_make(4096);
    struct names *n = names_make(a);
    size_t at = 7;

    assert_false(names_find(n, "", &at));
    assert_true(names_put(n, "", 1));
    assert_true(names_put(n, "a", 2));
    assert_true(names_put(n, "12345678", 3));
    assert_true(names_put(n, "123456789", 4));
    assert_false(names_find(n, "A", NULL));
    assert_true(names_find(n, "", &at));
    assert_int_equal(at, 1);
    assert_true(names_find(n, "123456789", &at));
    assert_int_equal(at, 4);
    assert_false(names_put(n, "a", 9));
    assert_true(names_find(n, "a", &at));
    assert_int_equal(at, 9);
    names_remove(n, "a");
    names_remove(n, "a");
    names_remove(n, "was never there");
    assert_false(names_find(n, "a", NULL));
    assert_true(names_find(n, "12345678", NULL));
    arena_free(a);
}

/* Beside an array that says the same: puts, replacements and removals in an order that chance decides. */
static void names_stay_right(void **state UNUSED)
{
    struct arena *a = arena_make(4096);
    struct names *n = names_make(a);
    const char *all[MANY];
    size_t where[MANY] = { 0 }; /* 0: not there */
    unsigned random = 1;

    for (size_t i = 0; i < MANY; i++)
        all[i] = arena_printf(a, "name-%zu", i);
    for (size_t step = 1; step < 10 * MANY; step++) {
        size_t i, at = 0;

        random = random * 1103515245u + 12345u;
        i = (random >> 8) % MANY;
        if (random >> 30) {
            assert_int_equal(names_put(n, all[i], step), where[i] == 0);
            where[i] = step;
        } else {
            names_remove(n, all[i]);
            where[i] = 0;
        }
        i = (random >> 4) % MANY;
        assert_int_equal(names_find(n, all[i], &at), where[i] != 0);
        assert_int_equal(at, where[i]);
    }
    for (size_t i = 0; i < MANY; i++)
        names_remove(n, all[i]);
    for (size_t i = 0; i < MANY; i++)
        assert_false(names_find(n, all[i], NULL));
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_found),
        cmocka_unit_test(names_stay_right),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
