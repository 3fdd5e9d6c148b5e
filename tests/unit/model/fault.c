/* SPDX-License-Identifier: Apache-2.0 */
/* The n-th database call fails, for n = 1, 2, 3… until an image's whole life passes: every failure is told,
 * and the database then holds all of a step or nothing of it. */
#include "db/driver.h"
#include "fixture.h"

#define ID "33333333-3333-4333-8333-333333333333"

static int create(struct db_conn *c, struct arena *a, struct error *e)
{
    static const char *tags[] = { "t1", "t2" };
    struct image im = { .id = ID,
                        .name = "n",
                        .owner = "p1",
                        .visibility = IMAGE_SHARED,
                        .size = -1,
                        .virtual_size = -1,
                        .tags = tags,
                        .n_tags = 2 };

    image_property_set(a, &im, "p", "v");
    if (db_begin_write(c, e) < 0 || image_insert(c, &im, e) < 0)
        return -1;
    return db_commit(c, e);
}

static int upload(struct db_conn *c, struct arena *a, struct error *e)
{
    struct lease l = {
        .image_id = ID, .holder = lease_holder(), .store = "file", .url = "file:///x", .expires_us = 5
    };
    struct image *im;

    if (db_begin_write(c, e) < 0 || image_status_set(c, ID, IMAGE_QUEUED, IMAGE_SAVING, e) < 0 ||
        lease_take(c, &l, e) < 0 || db_commit(c, e) < 0 || lease_renew(c, ID, lease_holder(), 6, e) < 0)
        return -1;
    if (db_begin_write(c, e) < 0 || image_load_any(c, a, ID, &im, e) < 0)
        return -1;
    *ARENA_PUSH(a, im->locations, im->n_locations, im->cap_locations) =
        (struct image_location){ .url = "file:///x" };
    im->status = IMAGE_ACTIVE;
    im->size = 3;
    image_property_drop(im, "p");
    image_property_set(a, im, "q", "w");
    im->n_tags = 1;
    if (image_save(c, im, IMAGE_SAVING, e) < 0 || lease_drop(c, ID, lease_holder(), e) < 0)
        return -1;
    return db_commit(c, e);
}

static int look(struct db_conn *c, struct arena *a, struct error *e)
{
    struct image_query q = { .viewer = { false, "p1" },
                             .visibility = -1,
                             .member_status = "accepted",
                             .limit = 5,
                             .sorts = { { "name", true }, { "created_at", true }, { "id", true } },
                             .n_sorts = 3 };
    struct viewer v = { false, "p1" };
    struct image *im;
    size_t n;
    int64_t used, counts[IMAGE_STATUSES];

    if (image_load(c, a, ID, &v, &im, e) < 0 || image_list(c, a, &q, &im, &n, NULL, e) < 0 ||
        image_storage_used(c, "p1", NULL, &used, e) < 0 || image_count_by_status(c, counts, e) < 0)
        return -1;
    assert_int_equal(n, 1);
    assert_int_equal(used, 3);
    return 0;
}

static int remove_it(struct db_conn *c, struct arena *a, struct error *e)
{
    struct trash *all;
    size_t n;
    bool used;

    if (db_begin_write(c, e) < 0 || image_delete(c, ID, IMAGE_ACTIVE, e) < 0 ||
        trash_add(c, "file", "file:///x", NULL, e) < 0 || db_commit(c, e) < 0 ||
        trash_list(c, a, 5, &all, &n, e) < 0 || location_in_use(c, "file:///x", &used, e) < 0)
        return -1;
    return n && !used ? trash_drop(c, all[0].id, e) : 0;
}

/* What the database says after each step, whole or not begun. */
static const char summary[] =
    "SELECT coalesce((SELECT status || (SELECT COUNT(*) FROM image_properties WHERE NOT deleted) || "
    "(SELECT COUNT(*) FROM image_tags WHERE NOT deleted) || (SELECT COUNT(*) FROM image_locations WHERE NOT "
    "deleted) || "
    "(SELECT COUNT(*) FROM glint_leases) || (SELECT COUNT(*) FROM glint_trash) FROM images), 'nothing')";

static const struct {
    const char *name;
    int (*run)(struct db_conn *c, struct arena *a, struct error *e);
    const char *may_be[5]; /* the last one is what success leaves */
} steps[] = {
    { "create", create, { "nothing", "queued12000" } },
    { "upload", upload, { "queued12000", "saving12010", "active11100" } },
    { "look", look, { "active11100" } },
    { "delete", remove_it, { "active11100", "deleted00001", "deleted00000" } },
};

static void restore(struct fixture *f, const char *state)
{
    if (strcmp(state, "saving12010") == 0)
        run_sql(f, "UPDATE images SET status = 'queued'; DELETE FROM glint_leases");
    if (strcmp(state, "deleted00001") == 0)
        run_sql(f, "UPDATE images SET status = 'active', deleted = 0; DELETE FROM glint_trash;"
                   "UPDATE image_properties SET deleted = 0 WHERE name = 'q'; UPDATE image_tags SET deleted "
                   "= 0 WHERE value = 't1';"
                   "UPDATE image_locations SET deleted = 0, status = 'active'");
}

static bool is_one_of(const char *const *texts, const char *text)
{
    for (int i = 0; i < 5 && texts[i]; i++)
        if (strcmp(texts[i], text) == 0)
            return true;
    return false;
}

static long fail_until_done(struct fixture *f, size_t step)
{
    for (long n = 1;; n++) {
        struct arena *a = arena_make(4096);
        int result;
        const char *left;

        error_clear(&f->e);
        db_release(&f->c);
        OK(f, db_acquire(f->db, DB_WAIT, &f->c, &f->e));
        db_fault_arm(n, ERROR_UNAVAILABLE);
        result = steps[step].run(f->c, a, &f->e);
        db_rollback(f->c);
        if (!db_fault_fired()) {
            db_fault_arm(0, ERROR_NONE);
            CHECK_CASE(steps[step].name, result == 0);
            arena_free(a);
            return n;
        }
        db_fault_arm(0, ERROR_NONE);
        CHECK_CASE(steps[step].name, result == -1 && f->e.kind == ERROR_UNAVAILABLE);
        left = ask(f, summary, NULL);
        if (!is_one_of(steps[step].may_be, left))
            fail_msg("%s: call %ld failed and left %s", steps[step].name, n, left);
        restore(f, left);
        arena_free(a);
    }
}

static void test_every_call_fails_once(void **state)
{
    struct fixture f;
    char url[160];

    (void)state;
    fixture_paths(&f);
    snprintf(url, sizeof url, "fault+%s", f.url);
    OK(&f, db_open(url, true, 0, &f.db, &f.e)); /* no pool: every statement is prepared again */
    OK(&f, db_acquire(f.db, DB_WAIT, &f.c, &f.e));
    for (long n = 1;; n++) {
        struct schema_info info;

        db_fault_arm(n, ERROR_UNAVAILABLE);
        if (schema_sync(f.c, &f.e) == 0) {
            assert_false(db_fault_fired());
            db_fault_arm(0, ERROR_NONE);
            break;
        }
        assert_true(db_fault_fired());
        db_fault_arm(0, ERROR_NONE);
        OK(&f, schema_check(f.c, &info, &f.e));
        assert_true(info.state == SCHEMA_ABSENT && !info.own_tables);
    }
    for (size_t i = 0; i < COUNT(steps); i++) {
        long n = fail_until_done(&f, i);
        size_t last = 0;

        while (last + 1 < 5 && steps[i].may_be[last + 1])
            last++;
        CHECK_CASE(steps[i].name, n > 5);
        CHECK_CASE(steps[i].name, strcmp(ask(&f, summary, NULL), steps[i].may_be[last]) == 0);
    }
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_every_call_fails_once) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
