/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

static void arena_keeps_what_it_gave(void **state)
{
    struct arena *a = arena_make(0);
    char *texts[2000];

    (void)state;
    for (int i = 0; i < 2000; i++)
        texts[i] = arena_printf(a, "text %d", i);
    for (int i = 0; i < 2000; i++) {
        char expected[16];

        snprintf(expected, sizeof expected, "text %d", i);
        assert_string_equal(texts[i], expected);
    }
    arena_free(a);
}

static void arena_aligns_and_zeroes(void **state)
{
    struct arena *a = arena_make(512);

    (void)state;
    for (size_t n = 0; n < 300; n++) {
        unsigned char *p = arena_alloc(a, n);

        assert_int_equal((uintptr_t)p % 16, 0);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xFF, n);
        if (n % 50 == 0)
            arena_reset(a);
    }
    arena_free(a);
}

static void arena_gives_large_pieces(void **state)
{
    struct arena *a = arena_make(16);
    char *big = arena_alloc(a, 1024 * 1024);

    (void)state;
    memset(big, 'x', 1024 * 1024);
    assert_string_equal(arena_str(a, "small"), "small");
    assert_int_equal(big[1024 * 1024 - 1], 'x');
    assert_null(arena_str(a, NULL));
    assert_string_equal(arena_strn(a, "abcdef", 3), "abc");
    arena_free(a);
    arena_free(NULL);
}

static void note(void *arg)
{
    char **at = arg;

    *(*at)++ = 'x';
}

struct ender {
    struct str *out;
    char name;
};

static void say(void *arg)
{
    struct ender *e = arg;

    str_addc(e->out, e->name);
}

static void arena_runs_ends_last_first(void **state)
{
    CLEANUP(str_done) struct str out = STR_INIT;
    struct ender enders[] = { { &out, 'a' }, { &out, 'b' }, { &out, 'c' } };
    struct arena *a = arena_make(512);
    char marks[4] = "", *at = marks;

    (void)state;
    for (size_t i = 0; i < COUNT(enders); i++)
        arena_at_end(a, say, &enders[i]);
    arena_reset(a);
    assert_string_equal(str_text(&out), "cba");
    arena_at_end(a, note, &at);
    arena_free(a);
    assert_string_equal(marks, "x");
    assert_string_equal(str_text(&out), "cba");
}

static void arena_pushes(void **state)
{
    struct arena *a = arena_make(512);
    int *items = NULL;
    size_t n = 0, cap = 0;

    (void)state;
    for (int i = 0; i < 1000; i++)
        *ARENA_PUSH(a, items, n, cap) = i;
    assert_int_equal(n, 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(items[i], i);
    arena_free(a);
}

static void arena_joins(void **state)
{
    static const char *const items[] = { "a", "", "c d" };
    struct arena *a = arena_make(64);

    (void)state;
    assert_string_equal(arena_join(a, items, 3), "a,,c d");
    assert_string_equal(arena_join(a, items, 1), "a");
    assert_string_equal(arena_join(a, NULL, 0), "");
    arena_free(a);
}

static void arena_prints_long_texts(void **state)
{
    struct arena *a = arena_make(512);
    char long_text[5000];

    (void)state;
    memset(long_text, 'y', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    assert_int_equal(strlen(arena_printf(a, "<%s>", long_text)), 5001);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena_keeps_what_it_gave),
        cmocka_unit_test(arena_aligns_and_zeroes),
        cmocka_unit_test(arena_gives_large_pieces),
        cmocka_unit_test(arena_runs_ends_last_first),
        cmocka_unit_test(arena_pushes),
        cmocka_unit_test(arena_joins),
        cmocka_unit_test(arena_prints_long_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
