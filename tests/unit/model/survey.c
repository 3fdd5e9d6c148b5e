/* SPDX-License-Identifier: Apache-2.0 */
#include "db/driver.h"
#include "fixture.h"

#define DAY (86400 * CLOCK_SECOND)

static void ended(struct fixture *f, const char *task, int64_t updated_us)
{
    char sql[500], when[CLOCK_TEXT_MAX];

    clock_sql(updated_us, when);
    snprintf(sql, sizeof sql,
             "INSERT INTO tasks (id, type, status, owner, created_at, updated_at, deleted) VALUES "
             "('%s', 'api_image_import', 'processing', 'p', '%s', '%s', 0)",
             task, when, when);
    run_sql(f, sql);
}

static void lock(struct fixture *f, const char *id, const char *task)
{
    OK(f, db_begin_write(f->c, &f->e));
    OK(f, image_lock(f->c, id, task, &f->e));
    OK(f, db_commit(f->c, &f->e));
}

static const char lease_sql[] = "INSERT INTO glint_leases (image_id, holder, store, url, expires_at) VALUES "
                                "('a', 'h', 's', 'file:///l', 1)";
static const char job_sql[] =
    "INSERT INTO glint_jobs (id, kind, image_id, state, step, attempt, holder, expires_at, next_run_at, "
    "arguments, message, created_at, updated_at) VALUES ('j', 'k', 'a', 'waiting', '', 0, '', 0, 0, '{}', "
    "'', "
    "'2026-01-01', '2026-01-01')";

static const struct {
    const char *name, *sql, *lock;
    bool job, lease, locked;
} claims[] = {
    { "nobody", NULL, NULL, false, false, false },
    { "a job that waits", job_sql, NULL, true, false, false },
    { "a job that ended", NULL, NULL, false, false, false },
    { "a lease", lease_sql, NULL, false, true, false },
    { "a lock of nobody", NULL, "t0", false, false, false },
    { "a lock of a job", job_sql, "j", true, false, true },
    { "a lock of Glance's", NULL, "new", false, false, true },
    { "a lock of Glance's that expired", NULL, "old", false, false, false },
};

static void test_claims(void **state UNUSED)
{
    for (size_t i = 0; i < COUNT(claims); i++) {
        struct image_claims got;
        struct fixture f;

        fixture_open(&f);
        store_image(&f, make_image(&f, "a", "p1"));
        ended(&f, "new", clock_now_us());
        ended(&f, "old", clock_now_us() - DAY);
        if (claims[i].sql)
            run_sql(&f, claims[i].sql);
        if (str_eq(claims[i].name, "a job that ended")) {
            run_sql(&f, job_sql);
            run_sql(&f, "UPDATE glint_jobs SET state = 'done'");
        }
        if (claims[i].lock)
            lock(&f, "a", claims[i].lock);
        OK(&f, image_claims_load(f.c, f.a, "a", &got, &f.e));
        CHECK_CASE(claims[i].name, got.known && !got.deleted && got.status == IMAGE_QUEUED && got.size == -1);
        CHECK_CASE(claims[i].name, got.job == claims[i].job);
        CHECK_CASE(claims[i].name, got.lease == claims[i].lease);
        CHECK_CASE(claims[i].name, got.locked == claims[i].locked);
        CHECK_CASE(claims[i].name, (got.lock != NULL) == (claims[i].lock != NULL));
        fixture_close(&f);
    }
}

static void test_claims_of_the_unknown_and_the_deleted(void **state UNUSED)
{
    struct image_claims got;
    struct fixture f;

    fixture_open(&f);
    run_sql(&f, job_sql);
    OK(&f, image_claims_load(f.c, f.a, "a", &got, &f.e));
    assert_true(!got.known && got.job);
    store_image(&f, make_image(&f, "a", "p1"));
    run_sql(&f,
            "UPDATE images SET status = 'deleted', deleted = 1, deleted_at = '2026-01-02 00:00:00.000000'");
    OK(&f, image_claims_load(f.c, f.a, "a", &got, &f.e));
    assert_true(got.known && got.deleted && got.status == IMAGE_DELETED);
    assert_int_equal(got.changed_us, 1767312000 * CLOCK_SECOND);
    fixture_close(&f);
}

static const struct {
    const char *name, *sql;
    bool named, in_work;
} objects[] = {
    { "nobody's", "SELECT 1", false, false },
    { "a location",
      "INSERT INTO image_locations (image_id, value, status, created_at, deleted) VALUES "
      "('a', 'file:///x/o', 'active', '2026-01-01', 0)",
      true, false },
    { "a location, spelled otherwise",
      "INSERT INTO image_locations (image_id, value, status, created_at, deleted) VALUES "
      "('a', 'filesystem:///x/o', 'active', '2026-01-01', 0)",
      true, false },
    { "deleted long ago",
      "INSERT INTO image_locations (image_id, value, status, created_at, deleted_at, deleted) VALUES "
      "('a', 'file:///x/o', 'deleted', '2026-01-01', '2026-01-01 00:00:00.000000', 1)",
      false, false },
    { "deleted just now",
      "INSERT INTO image_locations (image_id, value, status, created_at, deleted_at, deleted) VALUES "
      "('a', 'file:///x/o', 'deleted', '2026-01-01', '2036-01-01 00:00:00.000000', 1)",
      true, false },
    { "the scrubber's",
      "INSERT INTO image_locations (image_id, value, status, created_at, deleted_at, deleted) VALUES "
      "('a', 'file:///x/o', 'pending_delete', '2026-01-01', '2026-01-01 00:00:00.000000', 1)",
      true, false },
    { "an upload's",
      "INSERT INTO glint_leases (image_id, holder, store, url, expires_at) "
      "VALUES ('a', 'h', 's', 'file:///x/o', 1)",
      false, true },
    { "in the trash",
      "INSERT INTO glint_trash (store, url, created_at, attempts) VALUES ('s', 'file:///x/o', '2026-01-01', "
      "0)",
      false, true },
    { "a job's", "INSERT INTO glint_job_notes (job_id, name, value) VALUES ('j', 'object:s', 'file:///x/o')",
      false, true },
};

static void test_objects(void **state UNUSED)
{
    for (size_t i = 0; i < COUNT(objects); i++) {
        bool named, in_work;
        struct fixture f;

        fixture_open(&f);
        store_image(&f, make_image(&f, "a", "p1"));
        run_sql(&f, objects[i].sql);
        OK(&f, object_named(f.c, "file:///x/o", "filesystem:///x/o", clock_now_us() - DAY, &named, &f.e));
        CHECK_CASE(objects[i].name, named == objects[i].named);
        OK(&f, object_in_work(f.c, "file:///x/o", NULL, &in_work, &f.e));
        CHECK_CASE(objects[i].name, in_work == objects[i].in_work);
        fixture_close(&f);
    }
}

/* All pages of two, as "a b c". */
static const char *ids(struct fixture *f, enum survey_kind kind)
{
    CLEANUP(str_done) struct str all = STR_INIT;
    const char **page, *after = "";
    size_t n;

    do {
        OK(f, survey_ids(f->c, f->a, kind, after, 2, &page, &n, &f->e));
        for (size_t i = 0; i < n; i++) {
            str_addf(&all, "%s%s", all.len ? " " : "", page[i]);
            after = page[i];
        }
    } while (n == 2);
    return arena_str(f->a, str_text(&all));
}

static void test_pages(void **state UNUSED)
{
    static const char *const statuses[] = { "saving", "uploading",   "importing", "active",
                                            "queued", "deactivated", "saving" };
    struct fixture f;

    fixture_open(&f);
    for (size_t i = 0; i < COUNT(statuses); i++) {
        char id[] = { (char)('a' + i), '\0' }, sql[200];

        store_image(&f, make_image(&f, id, "p1"));
        snprintf(sql, sizeof sql, "UPDATE images SET status = '%s' WHERE id = '%s'", statuses[i], id);
        run_sql(&f, sql);
        lock(&f, id, "task");
    }
    run_sql(&f,
            "INSERT INTO image_locations (image_id, value, status, created_at, deleted) VALUES "
            "('d', 'file:///d', 'active', '2026-01-01', 0), ('f', 'file:///f', 'deleted', '2026-01-01', 1), "
            "('a', 'file:///a', 'active', '2026-01-01', 0)");
    assert_string_equal(ids(&f, SURVEY_BARE), "f");
    assert_string_equal(ids(&f, SURVEY_MOVING), "a b c g");
    assert_string_equal(ids(&f, SURVEY_LOCKED), "a b c d e f g");
    run_sql(&f, "UPDATE images SET deleted = 1 WHERE id IN ('g', 'd'); "
                "UPDATE image_properties SET deleted = 1 WHERE image_id = 'b'");
    assert_string_equal(ids(&f, SURVEY_MOVING), "a b c");
    assert_string_equal(ids(&f, SURVEY_LOCKED), "a c e f");
    ended(&f, "j", 0);
    ended(&f, "t1", 0);
    ended(&f, "t2", 0);
    run_sql(&f, job_sql);
    run_sql(&f, "UPDATE tasks SET status = 'success' WHERE id = 't2'");
    assert_string_equal(ids(&f, SURVEY_TASKS), "t1");
    assert_string_equal(ids(&f, SURVEY_JOBS), "j");
    run_sql(&f, "INSERT INTO glint_job_notes (job_id, name, value) VALUES ('j', 'object:s', 'u'), "
                "('gone', 'method', 'u'), ('gone', 'token', 'u')");
    assert_string_equal(ids(&f, SURVEY_NOTES), "gone");
    OK(&f, job_notes_forget(f.c, "j", &f.e));
    OK(&f, job_notes_forget(f.c, "gone", &f.e));
    assert_string_equal(ids(&f, SURVEY_NOTES), "");
    run_sql(&f, "UPDATE glint_jobs SET state = 'failed'; "
                "INSERT INTO glint_job_notes (job_id, name, value) VALUES ('j', 'method', 'u')");
    assert_string_equal(ids(&f, SURVEY_NOTES), "j");
    OK(&f, job_notes_forget(f.c, "j", &f.e));
    assert_string_equal(ids(&f, SURVEY_NOTES), "");
    assert_string_equal(ids(&f, SURVEY_JOBS), "");
    fixture_close(&f);
}

static void test_copies(void **state UNUSED)
{
    struct image_copy *page;
    struct fixture f;
    int64_t after = 0;
    size_t n, all = 0;

    fixture_open(&f);
    store_image(&f, make_image(&f, "a", "p1"));
    store_image(&f, make_image(&f, "b", "p1"));
    run_sql(&f,
            "UPDATE images SET size = 7, status = 'active', os_hash_algo = 'sha512', os_hash_value = 'h' "
            "WHERE id = 'a'; UPDATE images SET deleted = 1 WHERE id = 'b'; "
            "INSERT INTO image_locations (image_id, value, status, meta_data, created_at, deleted) VALUES "
            "('a', 'u1', 'active', '{\"store\": \"s\"}', '2026-01-01', 0), "
            "('a', 'u2', 'deleted', NULL, '2026-01-01', 1), "
            "('b', 'u3', 'active', NULL, '2026-01-01', 0), ('a', 'u4', 'active', NULL, '2026-01-01', 0)");
    do {
        OK(&f, survey_copies(f.c, f.a, after, 1, &page, &n, &f.e));
        all += n;
        if (n == 0)
            continue;
        assert_string_equal(page[0].url, all == 1 ? "u1" : "u4");
        assert_string_equal(page[0].metadata, all == 1 ? "{\"store\": \"s\"}" : "{}");
        assert_true(page[0].size == 7 && page[0].status == IMAGE_ACTIVE &&
                    str_eq(page[0].os_hash_value, "h"));
        after = page[0].location;
    } while (n > 0);
    assert_int_equal(all, 2);
    OK(&f, image_copy_load(f.c, f.a, after, &page, &f.e));
    assert_string_equal(page->url, "u4");
    assert_int_equal(image_copy_load(f.c, f.a, after - 1, &page, &f.e), -1);
    assert_int_equal(f.e.kind, ERROR_NOT_FOUND);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_claims),  cmocka_unit_test(test_claims_of_the_unknown_and_the_deleted),
        cmocka_unit_test(test_objects), cmocka_unit_test(test_pages),
        cmocka_unit_test(test_copies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
