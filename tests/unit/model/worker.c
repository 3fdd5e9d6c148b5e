/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/wait.h>

#include "db/driver.h"
#include "fixture.h"

static struct worker_row row(const char *holder, int64_t age_us)
{
    return (struct worker_row){ .holder = holder,
                                .detached = true,
                                .settings = "s",
                                .started_us = 1,
                                .seen_us = clock_now_us() - age_us };
}

static void beat(struct fixture *f, const struct worker_row *w)
{
    OK(f, db_begin_write(f->c, &f->e));
    OK(f, worker_beat(f->c, w, &f->e));
    OK(f, db_commit(f->c, &f->e));
}

static size_t at_work(struct fixture *f)
{
    struct worker_row *list;
    size_t n;

    OK(f, worker_list(f->c, f->a, &list, &n, &f->e));
    return n;
}

static void test_a_row_is_written_and_renewed(void **state)
{
    struct worker_row mine, *list;
    struct fixture f;
    size_t n;

    (void)state;
    fixture_open(&f);
    assert_int_equal(at_work(&f), 0);
    mine = row(lease_holder(), 0);
    beat(&f, &mine);
    mine.seen_us += 5;
    mine.started_us = 99; /* the first beat says when it started */
    beat(&f, &mine);
    OK(&f, worker_list(f.c, f.a, &list, &n, &f.e));
    assert_int_equal(n, 1);
    assert_string_equal(list[0].holder, lease_holder());
    assert_true(list[0].detached);
    assert_string_equal(list[0].settings, "s");
    assert_int_equal(list[0].started_us, 1);
    assert_int_equal(list[0].seen_us, mine.seen_us);
    assert_true(lease_holder_here(list[0].holder));
    assert_int_equal(lease_holder_process(list[0].holder), getpid());
    OK(&f, worker_leave(f.c, f.a, lease_holder(), &f.e));
    assert_int_equal(at_work(&f), 0);
    fixture_close(&f);
}

static void test_silent_workers_and_wrong_clocks_are_not_at_work(void **state)
{
    static const struct {
        int64_t age_seconds;
        size_t n;
    } cases[] = { { 0, 1 },
                  { WORKER_SILENT_SECONDS - 5, 1 },
                  { WORKER_SILENT_SECONDS, 0 },
                  { 10 - WORKER_SILENT_SECONDS, 1 },
                  { -WORKER_SILENT_SECONDS - 5, 0 } };
    const char *holders[] = { "another/host:boot:pid-[1]:5:5", lease_holder() };
    struct fixture f;

    (void)state;
    fixture_open(&f);
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < COUNT(cases); i++) {
            struct worker_row w = row(holders[k], cases[i].age_seconds * CLOCK_SECOND);

            beat(&f, &w);
            if (at_work(&f) != cases[i].n)
                fail_msg("holder %zu, age %lld", k, (long long)cases[i].age_seconds);
            OK(&f, worker_leave(f.c, f.a, holders[k], &f.e));
        }
    assert_false(lease_holder_here(holders[0]));
    assert_int_equal(lease_holder_process(holders[0]), 0);
    fixture_close(&f);
}

/* A row of a process that has ended. */
static void test_the_dead_are_not_at_work_and_are_forgotten(void **state)
{
    char text[256] = "";
    struct worker_row w;
    struct fixture f;
    int pipes[2];
    pid_t pid;

    (void)state;
    fixture_open(&f);
    assert_int_equal(pipe(pipes), 0);
    pid = fork();
    if (pid == 0) {
        ssize_t done = write(pipes[1], lease_holder(), strlen(lease_holder()));

        _exit(done > 0 ? 0 : 1);
    }
    waitpid(pid, NULL, 0);
    assert_true(read(pipes[0], text, sizeof text - 1) > 0);
    close(pipes[0]);
    close(pipes[1]);
    w = row(text, 0);
    beat(&f, &w);
    assert_int_equal(at_work(&f), 0);
    assert_int_equal(lease_holder_process(text), 0);
    OK(&f, worker_leave(f.c, f.a, "nobody", &f.e));
    assert_string_equal(ask(&f, "SELECT COUNT(*) FROM glint_workers", NULL), "0");
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_row_is_written_and_renewed),
        cmocka_unit_test(test_silent_workers_and_wrong_clocks_are_not_at_work),
        cmocka_unit_test(test_the_dead_are_not_at_work_and_are_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
