/* SPDX-License-Identifier: Apache-2.0 */
#include "setup.h"

#include <sys/wait.h>

#include "transfer/lease.h"

static void each_piece_of_work_has_its_own_name(void **state UNUSED)
{
    char a[HOLDER_TEXT_MAX], b[HOLDER_TEXT_MAX];

    holder_make(a);
    holder_make(b);
    assert_string_not_equal(a, b);
    assert_true(str_starts(a, lease_holder()));
    assert_true(strlen(a) < 255); /* the column's size */
    assert_false(holder_dead(a));
}

static void a_dead_process_is_known_by_its_works_name(void **state UNUSED)
{
    char name[HOLDER_TEXT_MAX] = "";
    int pipes[2];
    pid_t child;

    assert_int_equal(pipe(pipes), 0);
    child = fork();
    if (child == 0) {
        holder_make(name);
        _exit(write(pipes[1], name, sizeof name) == (ssize_t)sizeof name ? 0 : 1);
    }
    assert_int_equal(read(pipes[0], name, sizeof name), sizeof name);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_true(holder_dead(name));
    close(pipes[0]);
    close(pipes[1]);
}

/* Whatever the dates say: clocks of other hosts do not count. */
static void a_lease_is_over_when_nobody_renews_it(void **state UNUSED)
{
    struct lease_watch w = { .patience_us = CLOCK_SECOND / 5 };
    const struct timespec half = { 0, 120000000 };
    int64_t past = clock_now_us() - 5 * 3600 * CLOCK_SECOND,
            future = clock_now_us() + 5 * 3600 * CLOCK_SECOND;

    assert_false(lease_over(&w, "a", "elsewhere", past));
    assert_false(lease_over(&w, "b", "elsewhere", future));
    assert_false(lease_over(&w, "c", "elsewhere", future));
    assert_true(lease_over(&w, "d", "elsewhere", 0)); /* ended by hand */
    nanosleep(&half, NULL);
    assert_false(lease_over(&w, "a", "elsewhere", past + 1)); /* renewed */
    assert_false(lease_over(&w, "c", "another", future));     /* taken over */
    nanosleep(&half, NULL);
    assert_false(lease_over(&w, "a", "elsewhere", past + 1));
    assert_true(lease_over(&w, "b", "elsewhere", future));
    assert_false(lease_over(&w, "c", "another", future));
    lease_watch_tidy(&w);
    assert_int_equal(w.n, 4);
    assert_true(lease_over(&w, "b", "elsewhere", future));
    lease_watch_tidy(&w);
    assert_int_equal(w.n, 1); /* nobody asked about the others */
    lease_watch_done(&w);
}

static void nonsense_is_not_dead(void **state UNUSED)
{
    assert_false(holder_dead(""));
    assert_false(holder_dead("#"));
    assert_false(holder_dead("somebody#1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_piece_of_work_has_its_own_name),
        cmocka_unit_test(a_dead_process_is_known_by_its_works_name),
        cmocka_unit_test(a_lease_is_over_when_nobody_renews_it),
        cmocka_unit_test(nonsense_is_not_dead),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
