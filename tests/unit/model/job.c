/* SPDX-License-Identifier: Apache-2.0 */
#include "db/driver.h"
#include "fixture.h"

static void add(struct fixture *f, const char *id)
{
    const struct job j = { .id = id, .kind = "k", .image_id = "i1", .arguments = "{\"a\": 1}" };

    OK(f, db_begin_write(f->c, &f->e));
    OK(f, job_add(f->c, &j, &f->e));
    OK(f, db_commit(f->c, &f->e));
}

static struct job *load(struct fixture *f, const char *id)
{
    struct job *j;

    OK(f, job_load(f->c, f->a, id, &j, &f->e));
    return j;
}

struct seen_jobs {
    struct str ids;
    size_t n, most;
};

static bool visit(void *arg, const struct job *j)
{
    struct seen_jobs *seen = arg;

    str_addf(&seen->ids, "%s%s", seen->n ? " " : "", j->id);
    return ++seen->n < seen->most;
}

/* The ids of those that wait, as they are next. */
static const char *waiting_of(struct fixture *f, const char *place, const char *kind, size_t most)
{
    const struct job_wanted wanted = { place, { "of which there is none", kind } };
    struct seen_jobs seen = { STR_INIT, 0, most };
    const char *ids;

    OK(f, job_waiting(f->c, f->a, &wanted, visit, &seen, &f->e));
    ids = arena_str(f->a, str_text(&seen.ids));
    str_done(&seen.ids);
    return ids;
}

static const char *waiting(struct fixture *f, const char *place)
{
    return waiting_of(f, place, "k", 100);
}

#define GONE(call)                                                                                           \
    do {                                                                                                     \
        assert_int_equal(call, -1);                                                                          \
        assert_int_equal(f.e.kind, ERROR_GONE);                                                              \
        assert_false(db_in_transaction(f.c));                                                                \
    } while (0)

static void test_a_life(void **state UNUSED)
{
    struct fixture f;
    struct job *j, *seen;

    fixture_open(&f);
    add(&f, "j1");
    add(&f, "j2");
    seen = load(&f, "j1");
    assert_int_equal(seen->state, JOB_WAITING);
    assert_string_equal(seen->step, "");
    assert_string_equal(seen->arguments, "{\"a\": 1}");
    assert_string_equal(waiting(&f, ""), "j1 j2");

    OK(&f, job_take(f.c, seen, "me", 5, &f.e));
    GONE(job_take(f.c, seen, "you", 6, &f.e)); /* seen as it was before */
    GONE(job_renew(f.c, "j1", "you", 7, &f.e));
    GONE(job_step(f.c, "j1", "you", "s", &f.e));
    GONE(job_put_back(f.c, "j1", "you", 1, 0, "", &f.e));
    GONE(job_end(f.c, "j1", "you", JOB_DONE, "", &f.e));
    OK(&f, job_renew(f.c, "j1", "me", 8, &f.e));
    OK(&f, job_step(f.c, "j1", "me", "half", &f.e));
    j = load(&f, "j1");
    assert_int_equal(j->state, JOB_RUNNING);
    assert_string_equal(j->holder, "me");
    assert_string_equal(j->step, "half");
    assert_int_equal(j->expires_us, 8);

    OK(&f, job_renew(f.c, "j1", "me", 9, &f.e));
    GONE(job_take(f.c, j, "you", 10, &f.e));                /* it lives */
    OK(&f, job_take(f.c, load(&f, "j1"), "you", 10, &f.e)); /* over from me */
    GONE(job_end(f.c, "j1", "me", JOB_DONE, "", &f.e));
    OK(&f, job_put_back(f.c, "j1", "you", 1, clock_now_us() + 60 * CLOCK_SECOND, "why", &f.e));
    j = load(&f, "j1");
    assert_int_equal(j->state, JOB_WAITING);
    assert_int_equal(j->attempt, 1);
    assert_string_equal(j->message, "why");
    assert_string_equal(j->holder, "");
    assert_string_equal(j->step, "half");
    assert_string_equal(waiting(&f, ""), "j2"); /* it is not due */

    OK(&f, job_take(f.c, j, "me", 10, &f.e));
    OK(&f, job_end(f.c, "j1", "me", JOB_FAILED, "no", &f.e));
    GONE(job_end(f.c, "j1", "me", JOB_DONE, "", &f.e));
    GONE(job_renew(f.c, "j1", "me", 11, &f.e));
    assert_int_equal(load(&f, "j1")->state, JOB_FAILED);
    fixture_close(&f);
}

static void test_a_step_is_its_transaction(void **state UNUSED)
{
    struct fixture f;

    fixture_open(&f);
    add(&f, "j1");
    OK(&f, job_take(f.c, load(&f, "j1"), "me", 5, &f.e));
    OK(&f, db_begin_write(f.c, &f.e));
    OK(&f, job_step(f.c, "j1", "me", "half", &f.e));
    OK(&f, job_end(f.c, "j1", "me", JOB_DONE, "", &f.e));
    assert_true(db_in_transaction(f.c));
    db_rollback(f.c);
    assert_int_equal(load(&f, "j1")->state, JOB_RUNNING);
    assert_string_equal(load(&f, "j1")->step, "");
    fixture_close(&f);
}

static void test_the_past_is_forgotten(void **state UNUSED)
{
    struct fixture f;
    struct job *j;

    fixture_open(&f);
    add(&f, "j1");
    add(&f, "j2");
    OK(&f, job_take(f.c, load(&f, "j1"), "me", 5, &f.e));
    OK(&f, job_end(f.c, "j1", "me", JOB_DONE, "", &f.e));
    OK(&f, job_prune(f.c, clock_now_us() - 60 * CLOCK_SECOND, &f.e));
    load(&f, "j1");
    OK(&f, job_prune(f.c, clock_now_us() + 60 * CLOCK_SECOND, &f.e));
    assert_int_equal(job_load(f.c, f.a, "j1", &j, &f.e), -1);
    assert_int_equal(f.e.kind, ERROR_NOT_FOUND);
    load(&f, "j2"); /* what waits is never old */
    fixture_close(&f);
}

/* ---- whose turn it is ---- */

static void add_of(struct fixture *f, const char *id, const char *owner, const char *place)
{
    const struct job j = {
        .id = id, .kind = "k", .image_id = "i1", .arguments = "{}", .owner = owner, .place = place
    };

    OK(f, db_begin_write(f->c, &f->e));
    OK(f, job_add(f->c, &j, &f->e));
    OK(f, db_commit(f->c, &f->e));
}

static void take(struct fixture *f, const char *id)
{
    OK(f, job_take(f->c, load(f, id), "me", 5, &f->e));
}

static void test_projects_take_turns(void **state UNUSED)
{
    struct fixture f;

    fixture_open(&f);
    for (int i = 1; i <= 4; i++)
        add_of(&f, arena_printf(f.a, "a%d", i), "a", NULL);
    add_of(&f, "b1", "b", NULL);
    add_of(&f, "b2", "b", NULL);
    add_of(&f, "n1", NULL, NULL);
    assert_string_equal(waiting(&f, ""), "a1 b1 n1 a2 b2 a3 a4");
    take(&f, "a1");
    assert_string_equal(waiting(&f, ""), "b1 n1 b2 a2 a3 a4"); /* for a one is running already */
    take(&f, "b1");
    take(&f, "n1");
    assert_string_equal(waiting(&f, ""), "a2 b2 a3 a4");
    OK(&f, job_end(f.c, "a1", "me", JOB_DONE, "", &f.e));
    OK(&f, job_end(f.c, "b1", "me", JOB_DONE, "", &f.e));
    take(&f, "a2");
    OK(&f, job_end(f.c, "a2", "me", JOB_DONE, "", &f.e));
    assert_string_equal(waiting(&f, ""), "b2 a3 a4"); /* a was served last */
    fixture_close(&f);
}

static void test_enough_is_enough(void **state UNUSED)
{
    struct fixture f;

    fixture_open(&f);
    for (int i = 1; i < 5; i++)
        add_of(&f, arena_printf(f.a, "j%d", i), "a", NULL);
    assert_string_equal(waiting_of(&f, "", "k", 2), "j1 j2");
    assert_string_equal(waiting_of(&f, "", "k", 1), "j1");
    assert_string_equal(waiting_of(&f, "", "l", 9), "");
    fixture_close(&f);
}

static void test_a_place_has_its_own(void **state UNUSED)
{
    struct fixture f;

    fixture_open(&f);
    add_of(&f, "j1", "a", "http://here");
    add_of(&f, "j2", "a", "http://there");
    add_of(&f, "j3", "a", NULL);
    assert_string_equal(waiting(&f, "http://here"), "j1 j3");
    assert_string_equal(waiting(&f, "http://there"), "j2 j3");
    assert_string_equal(waiting(&f, ""), "j3");
    fixture_close(&f);
}

/* next_us as the clock said of who put it back. */
static bool due(struct fixture *f, int64_t after_us)
{
    run_sql(f, "DELETE FROM glint_jobs");
    add_of(f, "j", "a", NULL);
    take(f, "j");
    OK(f, job_put_back(f->c, "j", "me", 1, clock_now_us() + after_us, "", &f->e));
    return *waiting(f, "") != '\0';
}

static void test_clocks_that_are_wrong(void **state UNUSED)
{
    struct fixture f;

    fixture_open(&f);
    assert_true(due(&f, 0));
    assert_false(due(&f, 60 * CLOCK_SECOND));
    assert_false(due(&f, 300 * CLOCK_SECOND)); /* as long as anybody waits */
    assert_true(due(&f, 5 * 3600 * CLOCK_SECOND));
    assert_true(due(&f, -5 * 3600 * CLOCK_SECOND));
    run_sql(
        &f,
        "UPDATE glint_jobs SET attempt = 0, next_run_at = next_run_at + 18030000000"); /* new, 30 s ahead */
    assert_string_equal(waiting(&f, ""), "j");
    fixture_close(&f);
}

/* ---- taking over ---- */

static int64_t takeovers(struct fixture *f)
{
    return load(f, "j1")->takeovers;
}

static void test_takeovers_are_counted(void **state UNUSED)
{
    struct fixture f;

    fixture_open(&f);
    add(&f, "j1");
    take(&f, "j1");
    assert_int_equal(takeovers(&f), 0);
    take(&f, "j1");
    take(&f, "j1");
    assert_int_equal(takeovers(&f), 2);
    OK(&f, job_renew(f.c, "j1", "me", 6, &f.e));
    assert_int_equal(takeovers(&f), 2);
    OK(&f, job_step(f.c, "j1", "me", "half", &f.e));
    assert_int_equal(takeovers(&f), 0);
    take(&f, "j1");
    assert_int_equal(takeovers(&f), 1);
    GONE(job_progress(f.c, "j1", "you", &f.e));
    assert_int_equal(takeovers(&f), 1);
    OK(&f, job_progress(f.c, "j1", "me", &f.e));
    assert_int_equal(takeovers(&f), 0);
    assert_string_equal(load(&f, "j1")->step, "half");
    take(&f, "j1");
    OK(&f, job_put_back(f.c, "j1", "me", 0, 0, "", &f.e));
    take(&f, "j1");
    assert_int_equal(takeovers(&f), 1);
    fixture_close(&f);
}

static void test_condemned(void **state UNUSED)
{
    struct fixture f;
    struct error why;
    struct job *j;

    fixture_open(&f);
    error_set(&why, ERROR_MEDIA, "no image at all");
    add_of(&f, "j1", "a", "http://there");
    assert_null(load(&f, "j1")->giving_up);
    OK(&f, job_condemn(f.c, "j1", &why, false, &f.e));
    j = load(&f, "j1");
    assert_string_equal(j->giving_up, "no image at all");
    assert_int_equal(j->giving_up_kind, ERROR_MEDIA);
    assert_string_equal(waiting(&f, ""), "");
    OK(&f, job_condemn(f.c, "j1", &why, true, &f.e));
    assert_string_equal(waiting(&f, ""), "j1");
    take(&f, "j1");
    OK(&f, job_condemn(f.c, "j1", &why, false, &f.e)); /* also one that runs */
    OK(&f, job_end(f.c, "j1", "me", JOB_FAILED, "", &f.e));
    assert_null(load(&f, "j1")->giving_up);
    assert_int_equal(job_condemn(f.c, "j1", &why, false, &f.e), -1);
    assert_int_equal(f.e.kind, ERROR_CONFLICT);
    assert_false(db_in_transaction(f.c));
    fixture_close(&f);
}

/* ---- what is left, what there is ---- */

static void test_notes_go_with_their_job(void **state UNUSED)
{
    struct fixture f;
    struct job *j;

    fixture_open(&f);
    add_of(&f, "j1", "a", "http://there");
    take(&f, "j1");
    OK(&f, db_begin_write(f.c, &f.e));
    OK(&f, job_note_set(f.c, "j1", "etag", "x", &f.e));
    OK(&f, db_commit(f.c, &f.e));
    OK(&f, job_end(f.c, "j1", "me", JOB_FAILED, "", &f.e));
    j = load(&f, "j1");
    assert_string_equal(j->owner, "a");
    assert_string_equal(j->place, "http://there");
    assert_string_equal(ask(&f, "SELECT COUNT(*) FROM glint_job_notes", NULL), "2");
    OK(&f, job_prune(f.c, clock_now_us() + 60 * CLOCK_SECOND, &f.e));
    assert_string_equal(ask(&f, "SELECT COUNT(*) FROM glint_job_notes", NULL), "0");
    assert_string_equal(ask(&f, "SELECT COUNT(*) FROM glint_job_turns", NULL), "0");
    fixture_close(&f);
}

static void test_lists_and_counts(void **state UNUSED)
{
    int64_t before = clock_now_us(), oldest;
    struct job_count *counts;
    struct fixture f;
    struct job *list;
    size_t n;

    fixture_open(&f);
    OK(&f, job_count(f.c, f.a, &counts, &n, &oldest, &f.e));
    assert_int_equal(n, 0);
    assert_int_equal(oldest, 0);
    add_of(&f, "j1", "a", NULL);
    add_of(&f, "j2", "a", NULL);
    add_of(&f, "j3", "a", NULL);
    take(&f, "j2");
    take(&f, "j3");
    OK(&f, job_end(f.c, "j3", "me", JOB_DONE, "", &f.e));
    OK(&f, job_count(f.c, f.a, &counts, &n, &oldest, &f.e));
    assert_int_equal(n, 3);
    for (size_t i = 0; i < n; i++)
        assert_true(counts[i].n == 1 && str_eq(counts[i].kind, "k") && str_eq(counts[i].method, ""));
    assert_true(oldest >= before && oldest <= clock_now_us());
    OK(&f, job_list(f.c, f.a, false, &list, &n, &f.e));
    assert_int_equal(n, 2);
    OK(&f, job_list(f.c, f.a, true, &list, &n, &f.e));
    assert_int_equal(n, 3);
    OK(&f, job_running(f.c, f.a, &list, &n, &f.e));
    assert_true(n == 1 && str_eq(list[0].id, "j2"));
    fixture_close(&f);
}

static void test_counters_add_up(void **state UNUSED)
{
    struct counter *list, more = { "c", { "x", "", "" }, 2 };
    struct fixture f;
    size_t n;

    fixture_open(&f);
    OK(&f, counter_add(f.c, &more, &f.e));
    OK(&f, counter_add(f.c, &more, &f.e));
    more.labels[2] = "z";
    OK(&f, counter_add(f.c, &more, &f.e));
    OK(&f, counter_list(f.c, f.a, &list, &n, &f.e));
    assert_int_equal(n, 2);
    assert_true(str_eq(list[0].labels[0], "x") && str_eq(list[0].labels[2], "") && list[0].value == 4);
    assert_true(str_eq(list[1].labels[2], "z") && list[1].value == 2);
    fixture_close(&f);
}

static bool holds(struct fixture *f, const char *task)
{
    bool ret = false;

    OK(f, image_lock_holds(f->c, task, &ret, &f->e));
    return ret;
}

static void test_locks(void **state UNUSED)
{
    struct fixture f;
    struct image *im;

    fixture_open(&f);
    store_image(&f, make_image(&f, "i1", "p"));
    add(&f, "j1");
    OK(&f, db_begin_write(f.c, &f.e));
    OK(&f, image_lock(f.c, "i1", "j1", &f.e));
    assert_int_equal(image_lock(f.c, "i1", "j2", &f.e), -1);
    assert_int_equal(f.e.kind, ERROR_CONFLICT);
    OK(&f, db_commit(f.c, &f.e));
    im = load_image(&f, "i1");
    assert_string_equal(image_property_get(im, "os_glance_import_task"), "j1");
    image_property_drop(im, "os_glance_import_task");
    save_image(&f, im, IMAGE_QUEUED);
    assert_string_equal(image_property_get(load_image(&f, "i1"), "os_glance_import_task"), "j1");

    OK(&f, db_begin_write(f.c, &f.e));
    OK(&f, image_unlock(f.c, "i1", "other", &f.e));
    OK(&f, db_commit(f.c, &f.e));
    assert_non_null(image_property_get(load_image(&f, "i1"), "os_glance_import_task"));
    OK(&f, db_begin_write(f.c, &f.e));
    OK(&f, image_unlock(f.c, "i1", "j1", &f.e));
    OK(&f, db_commit(f.c, &f.e));
    assert_null(image_property_get(load_image(&f, "i1"), "os_glance_import_task"));
    OK(&f, db_begin_write(f.c, &f.e));
    OK(&f, image_lock(f.c, "i1", "j2", &f.e)); /* the row comes back */
    OK(&f, db_commit(f.c, &f.e));
    assert_string_equal(image_property_get(load_image(&f, "i1"), "os_glance_import_task"), "j2");

    assert_true(holds(&f, "j1"));
    assert_false(holds(&f, "nobody"));
    OK(&f, job_take(f.c, load(&f, "j1"), "me", 5, &f.e));
    assert_true(holds(&f, "j1"));
    OK(&f, job_end(f.c, "j1", "me", JOB_DONE, "", &f.e));
    assert_false(holds(&f, "j1"));
    run_sql(&f,
            "INSERT INTO tasks (id, type, status, owner, created_at, updated_at, deleted) VALUES "
            "('t1', 'api_image_import', 'processing', 'o', '2026-01-01', '2999-01-01 00:00:00.000000', 0), "
            "('t2', 'api_image_import', 'processing', 'o', '2026-01-01', '2001-01-01 00:00:00.000000', 0)");
    assert_true(holds(&f, "t1"));
    assert_false(holds(&f, "t2"));
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_life),
        cmocka_unit_test(test_a_step_is_its_transaction),
        cmocka_unit_test(test_the_past_is_forgotten),
        cmocka_unit_test(test_projects_take_turns),
        cmocka_unit_test(test_enough_is_enough),
        cmocka_unit_test(test_a_place_has_its_own),
        cmocka_unit_test(test_clocks_that_are_wrong),
        cmocka_unit_test(test_takeovers_are_counted),
        cmocka_unit_test(test_condemned),
        cmocka_unit_test(test_notes_go_with_their_job),
        cmocka_unit_test(test_lists_and_counts),
        cmocka_unit_test(test_counters_add_up),
        cmocka_unit_test(test_locks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
