/* SPDX-License-Identifier: Apache-2.0 */
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

#define GONE(call)                                                                                           \
    do {                                                                                                     \
        assert_int_equal(call, -1);                                                                          \
        assert_int_equal(f.e.kind, ERROR_GONE);                                                              \
        assert_false(db_in_transaction(f.c));                                                                \
    } while (0)

static void test_a_life(void **state UNUSED)
{
    struct fixture f;
    struct job *j, *seen, *all;
    size_t n;

    fixture_open(&f);
    add(&f, "j1");
    add(&f, "j2");
    seen = load(&f, "j1");
    assert_int_equal(seen->state, JOB_WAITING);
    assert_string_equal(seen->step, "");
    assert_string_equal(seen->arguments, "{\"a\": 1}");
    OK(&f, job_waiting(f.c, f.a, "", 0, 10, &all, &n, &f.e));
    assert_int_equal(n, 2);
    OK(&f, job_waiting(f.c, f.a, "", 0, 1, &all, &n, &f.e));
    assert_int_equal(n, 1);

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

    OK(&f, job_take(f.c, j, "you", 9, &f.e)); /* over from me */
    GONE(job_end(f.c, "j1", "me", JOB_DONE, "", &f.e));
    OK(&f, job_put_back(f.c, "j1", "you", 1, clock_now_us() + 60 * CLOCK_SECOND, "why", &f.e));
    j = load(&f, "j1");
    assert_int_equal(j->state, JOB_WAITING);
    assert_int_equal(j->attempt, 1);
    assert_string_equal(j->message, "why");
    assert_string_equal(j->holder, "");
    assert_string_equal(j->step, "half");
    OK(&f, job_waiting(f.c, f.a, "", 0, 10, &all, &n, &f.e));
    assert_int_equal(n, 1); /* it is not due */

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
        cmocka_unit_test(test_locks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
