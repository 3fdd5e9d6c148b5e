/* SPDX-License-Identifier: Apache-2.0 */
#include "db/driver.h"
#include "fixture.h"

static const struct viewer admin = { .is_admin = true }, p1 = { .project = "p1" }, p2 = { .project = "p2" },
                           nobody = { .project = NULL };

static void add(struct fixture *f, const char *id, const char *owner, const char *image_id)
{
    struct task t = { .id = id,
                      .type = "import",
                      .owner = owner,
                      .image_id = image_id,
                      .request_id = "req-1",
                      .user_id = "u1",
                      .input = "{\"a\": 1}" };

    OK(f, db_begin_write(f->c, &f->e));
    OK(f, task_add(f->c, &t, &f->e));
    OK(f, db_commit(f->c, &f->e));
    assert_string_equal(t.status, "pending");
    assert_true(t.created_us > 0 && t.created_us == t.updated_us);
}

static struct task *load(struct fixture *f, const char *id)
{
    struct task *t;

    OK(f, task_load(f->c, f->a, id, &t, &f->e));
    return t;
}

/* One call in a transaction of its own. */
#define WRITE(f, call)                                                                                       \
    do {                                                                                                     \
        OK(f, db_begin_write((f)->c, &(f)->e));                                                              \
        OK(f, call);                                                                                         \
        OK(f, db_commit((f)->c, &(f)->e));                                                                   \
    } while (0)

static void test_a_life(void **state UNUSED)
{
    int64_t expires = 1893456000 * CLOCK_SECOND;
    struct fixture f;
    struct task *t;

    fixture_open(&f);
    add(&f, "t1", "p1", "i1");
    t = load(&f, "t1");
    assert_string_equal(t->type, "import");
    assert_string_equal(t->status, "pending");
    assert_string_equal(t->owner, "p1");
    assert_string_equal(t->image_id, "i1");
    assert_string_equal(t->request_id, "req-1");
    assert_string_equal(t->user_id, "u1");
    assert_string_equal(t->input, "{\"a\": 1}");
    assert_null(t->result);
    assert_string_equal(t->message, "");
    assert_int_equal(t->expires_us, 0);
    assert_false(t->deleted);

    WRITE(&f, task_begin(f.c, "t1", &f.e));
    assert_string_equal(load(&f, "t1")->status, "processing");
    WRITE(&f, task_progress(f.c, "t1", "Copied 7 MiB", &f.e));
    assert_string_equal(load(&f, "t1")->message, "Copied 7 MiB");
    WRITE(&f, task_end(f.c, "t1", true, "{\"image_id\": \"i1\"}", "", expires, &f.e));
    t = load(&f, "t1");
    assert_string_equal(t->status, "success");
    assert_string_equal(t->result, "{\"image_id\": \"i1\"}");
    assert_string_equal(t->message, "");
    assert_true(t->expires_us == expires);

    WRITE(&f, task_begin(f.c, "t1", &f.e)); /* what ended stays as it is */
    WRITE(&f, task_progress(f.c, "t1", "more", &f.e));
    WRITE(&f, task_end(f.c, "t1", false, NULL, "no", 1, &f.e));
    t = load(&f, "t1");
    assert_string_equal(t->status, "success");
    assert_string_equal(t->message, "");
    assert_true(t->expires_us == expires);
    fixture_close(&f);
}

static void test_a_failure_that_never_began(void **state UNUSED)
{
    struct fixture f;
    struct task *t;

    fixture_open(&f);
    add(&f, "t1", "p1", NULL);
    WRITE(&f, task_end(f.c, "t1", false, NULL, "no", 0, &f.e));
    t = load(&f, "t1");
    assert_string_equal(t->status, "failure");
    assert_string_equal(t->message, "no");
    assert_null(t->result);
    assert_null(t->image_id);
    fixture_close(&f);
}

static void expire(struct fixture *f, const char *id, int64_t at)
{
    WRITE(f, task_end(f->c, id, true, NULL, "", at, &f->e));
}

static bool sees(struct fixture *f, const char *id, const struct viewer *v)
{
    struct task *t;

    if (task_load_seen(f->c, f->a, id, v, &t, &f->e) == 0)
        return true;
    assert_int_equal(f->e.kind, ERROR_NOT_FOUND);
    return false;
}

static void test_who_sees_a_task(void **state UNUSED)
{
    struct fixture f;
    struct task *t;
    int64_t n;

    fixture_open(&f);
    add(&f, "t1", "p1", "i1");
    assert_true(sees(&f, "t1", &p1) && sees(&f, "t1", &admin));
    assert_false(sees(&f, "t1", &p2) || sees(&f, "t1", &nobody));
    assert_int_equal(task_load(f.c, f.a, "t9", &t, &f.e), -1);
    assert_string_equal(f.e.message, "Could not find task t9");

    expire(&f, "t1", clock_now_us() - CLOCK_SECOND);
    OK(&f, task_expire(f.c, &n, &f.e));
    assert_int_equal(n, 1);
    assert_false(db_in_transaction(f.c));
    assert_true(sees(&f, "t1", &admin));
    assert_false(sees(&f, "t1", &p1));
    assert_int_equal(task_load(f.c, f.a, "t1", &t, &f.e), -1);
    assert_int_equal(f.e.kind, ERROR_NOT_FOUND);
    OK(&f, task_load_seen(f.c, f.a, "t1", &admin, &t, &f.e));
    assert_true(t->deleted && t->deleted_us > 0 && t->deleted_us == t->updated_us);
    fixture_close(&f);
}

static void test_only_what_expired_goes(void **state UNUSED)
{
    struct fixture f;
    int64_t n = 9;

    fixture_open(&f);
    OK(&f, task_expire(f.c, &n, &f.e));
    assert_int_equal(n, 0);
    add(&f, "t1", "p1", NULL);
    add(&f, "t2", "p1", NULL);
    add(&f, "t3", "p2", NULL);
    expire(&f, "t1", clock_now_us() + 60 * CLOCK_SECOND);
    expire(&f, "t2", clock_now_us() - 60 * CLOCK_SECOND);
    OK(&f, task_expire(f.c, &n, &f.e));
    assert_int_equal(n, 1);
    OK(&f, task_expire(f.c, &n, &f.e));
    assert_int_equal(n, 0);
    load(&f, "t1");
    load(&f, "t3"); /* has no end yet */
    fixture_close(&f);
}

/* ---- listing ---- */

/* Six tasks; the last letter of the id counts the seconds of their making. */
static void make_six(struct fixture *f)
{
    static const char *const rows[][4] = {
        /* owner, status, image, expires */
        { "p1", "success", "'i1'", "'2999-01-03 00:00:00.000000'" },
        { "p1", "failure", "NULL", "'2999-01-01 00:00:00.000000'" },
        { "p2", "pending", "'i1'", "NULL" },
        { "p1", "pending", "'i2'", "NULL" },
        { "p2", "success", "NULL", "'2999-01-02 00:00:00.000000'" },
        { "p1", "success", "'i1'", "'2001-01-01 00:00:00.000000'" }, /* expired */
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        run_sql(f,
                arena_printf(f->a,
                             "INSERT INTO tasks (id, type, status, owner, image_id, expires_at, created_at, "
                             "updated_at, deleted) VALUES ('t%zu', 'import', '%s', '%s', %s, %s, "
                             "'2026-01-01 00:00:0%zu.000000', NULL, 0)",
                             i + 1, rows[i][1], rows[i][0], rows[i][2], rows[i][3], i + 1));
}

static const char *list(struct fixture *f, struct task_query q)
{
    CLEANUP(str_done) struct str out = STR_INIT;
    struct task *tasks;
    size_t n;

    q.limit = q.limit ? q.limit : 100;
    q.sort = q.sort ? q.sort : "created_at";
    OK(f, task_list(f->c, f->a, &q, &tasks, &n, &f->e));
    for (size_t i = 0; i < n; i++)
        str_add(&out, tasks[i].id + 1);
    return arena_str(f->a, str_text(&out));
}

/* The whole listing by pages of one. */
static const char *walk(struct fixture *f, struct task_query q)
{
    CLEANUP(str_done) struct str out = STR_INIT;
    struct task *page;
    size_t n;

    q.limit = 1;
    for (int i = 0; i < 20; i++) {
        OK(f, task_list(f->c, f->a, &q, &page, &n, &f->e));
        if (n == 0)
            break;
        str_add(&out, page[0].id + 1);
        q.marker = &page[0];
    }
    return arena_str(f->a, str_text(&out));
}

static void test_listing_is_of_who_asks(void **state UNUSED)
{
    struct fixture f;

    fixture_open(&f);
    make_six(&f);
    assert_string_equal(list(&f, (struct task_query){ .viewer = admin }), "54321");
    assert_string_equal(list(&f, (struct task_query){ .viewer = p1 }), "421");
    assert_string_equal(list(&f, (struct task_query){ .viewer = p2 }), "53");
    assert_string_equal(list(&f, (struct task_query){ .viewer = nobody }), "");
    fixture_close(&f);
}

static const struct {
    const char *column, *value, *found;
} filters[] = {
    { "id", "t3", "3" },
    { "type", "import", "54321" },
    { "type", "IMPORT", "" },
    { "status", "success", "51" },
    { "owner", "p2", "53" },
    { "image_id", "i1", "31" },
    { "image_id", "", "" },
    { "user_id", "u", "" },
    { "created_at", "2026-01-01 00:00:02.000000", "2" },
    { "created_at", "2026-01-01T00:00:02Z", "" },
    { "created_at", "x", "" },
    { "expires_at", "2999-01-02 00:00:00.000000", "5" },
    { "deleted_at", "2026-01-01 00:00:02.000000", "" },
};

static void test_filters(void **state UNUSED)
{
    struct task_filter both[2] = { { "status", "success" }, { "image_id", "i1" } };
    struct fixture f;

    fixture_open(&f);
    make_six(&f);
    for (size_t i = 0; i < COUNT(filters); i++) {
        const struct task_filter one = { filters[i].column, filters[i].value };
        const char *found = list(&f, (struct task_query){ .viewer = admin, .filters = &one, .n_filters = 1 });

        if (!str_eq(found, filters[i].found))
            fail_msg("%s=%s: %s instead of %s", one.column, one.value, found, filters[i].found);
    }
    assert_string_equal(list(&f, (struct task_query){ .viewer = admin, .filters = both, .n_filters = 2 }),
                        "1");
    both[1].column = "status";
    assert_string_equal(list(&f, (struct task_query){ .viewer = admin, .filters = both, .n_filters = 2 }),
                        "");
    assert_true(task_column_known("user_id"));
    assert_false(task_column_known("message") || task_column_known("deleted") || task_column_known(""));
    fixture_close(&f);
}

static const struct {
    const char *sort, *descending;
} orders[] = {
    { "created_at", "54321" }, { "id", "54321" },         { "status", "51432" },     { "owner", "53421" },
    { "image_id", "43152" },   { "expires_at", "15243" }, { "updated_at", "54321" }, { "user_id", "54321" },
};

static void test_each_order_can_be_walked(void **state UNUSED)
{
    struct fixture f;

    fixture_open(&f);
    make_six(&f);
    for (size_t i = 0; i < COUNT(orders); i++) {
        struct task_query q = { .viewer = admin, .sort = orders[i].sort };
        char backwards[8] = "";

        for (size_t n = strlen(orders[i].descending), k = 0; k < n; k++)
            backwards[k] = orders[i].descending[n - 1 - k];
        if (!str_eq(list(&f, q), orders[i].descending) || !str_eq(walk(&f, q), orders[i].descending))
            fail_msg("%s: %s, %s", q.sort, list(&f, q), walk(&f, q));
        q.ascending = true;
        if (!str_eq(list(&f, q), backwards) || !str_eq(walk(&f, q), backwards))
            fail_msg("%s upwards: %s, %s", q.sort, list(&f, q), walk(&f, q));
    }
    fixture_close(&f);
}

static const char *of_image(struct fixture *f, const char *image_id, const struct viewer *v)
{
    CLEANUP(str_done) struct str out = STR_INIT;
    struct task *tasks;
    size_t n;

    OK(f, task_list_of_image(f->c, f->a, image_id, v, &tasks, &n, &f->e));
    for (size_t i = 0; i < n; i++)
        str_add(&out, tasks[i].id + 1);
    return arena_str(f->a, str_text(&out));
}

static void test_tasks_of_an_image(void **state UNUSED)
{
    struct fixture f;
    struct task *tasks;
    size_t n;

    fixture_open(&f);
    make_six(&f);
    assert_string_equal(of_image(&f, "i1", &admin), "13");
    assert_string_equal(of_image(&f, "i1", &p1), "1");
    assert_string_equal(of_image(&f, "i1", &nobody), "");
    assert_string_equal(of_image(&f, "i9", &admin), "");
    run_sql(&f, "UPDATE tasks SET deleted = 1, deleted_at = '2026-02-01 00:00:00.000000' WHERE id = 't1'");
    assert_string_equal(of_image(&f, "i1", &admin), "13");
    assert_string_equal(of_image(&f, "i1", &p1), "");
    add(&f, "t7", "p1", "i1");
    OK(&f, task_list_of_image(f.c, f.a, "i1", &p1, &tasks, &n, &f.e));
    assert_int_equal(n, 1);
    assert_string_equal(tasks[0].input, "{\"a\": 1}");
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_life),
        cmocka_unit_test(test_a_failure_that_never_began),
        cmocka_unit_test(test_who_sees_a_task),
        cmocka_unit_test(test_only_what_expired_goes),
        cmocka_unit_test(test_listing_is_of_who_asks),
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_each_order_can_be_walked),
        cmocka_unit_test(test_tasks_of_an_image),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
