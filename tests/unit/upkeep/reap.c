/* SPDX-License-Identifier: Apache-2.0 */
#include "db/driver.h"
#include "unit/transfer/setup.h"

#include <pthread.h>

static struct world w;

static int setup(void **state UNUSED)
{
    world_open(&w, "sqlite");
    return 0;
}

static int teardown(void **state UNUSED)
{
    store_fault_arm(0, ERROR_INTERNAL, false);
    world_close(&w);
    return 0;
}

/* As an uploader leaves it that died after its object became visible. */
static const char *abandoned_upload(const char *text, int64_t expires_us, struct store_location *ret)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    const char *id = world_image(&w, "raw");
    struct lease l = { .image_id = id, .holder = "elsewhere#1", .store = "file", .expires_us = expires_us };
    struct error e;

    MUST(test_put(world_store(&w), id, -1, text, strlen(text), ret, &e));
    l.url = ret->url;
    MUST(db_acquire(w.db, DB_WAIT, &c, &e));
    MUST(db_begin_write(c, &e));
    MUST(image_status_set(c, id, IMAGE_QUEUED, IMAGE_SAVING, &e));
    MUST(lease_take(c, &l, &e));
    MUST(db_commit(c, &e));
    return id;
}

static void nothing_to_do(void **state UNUSED)
{
    struct upkeep_counts n = world_reap(&w);

    assert_int_equal(n.uploads + n.objects + n.files, 0);
}

static void an_upload_that_is_over_is_undone(void **state UNUSED)
{
    struct store_location loc;
    const char *id = abandoned_upload("abc", 0, &loc);
    struct upkeep_counts n = world_reap(&w);

    assert_int_equal(n.uploads, 1);
    assert_int_equal(n.objects, 1);
    assert_true(world_queued(&w, id));
    assert_int_equal(world_leases(&w) + world_objects(&w), 0);
}

/* Whatever its date says: that comes from the clock of another host. */
static void an_upload_that_may_live_is_left(void **state UNUSED)
{
    const int64_t now = clock_now_us(), dates[] = { 1, now - 1, now + 10 * CLOCK_SECOND, INT64_MAX };
    struct store_location loc;

    for (size_t i = 0; i < COUNT(dates); i++) {
        const char *id = abandoned_upload("abc", dates[i], &loc);

        assert_int_equal(world_reap(&w).uploads, 0);
        assert_int_equal(world_status(&w, id), IMAGE_SAVING);
        assert_true(test_holds(world_store(&w), loc.url, "abc", 3));
    }
}

static void a_deleted_image_stays_deleted(void **state UNUSED)
{
    struct store_location loc;
    const char *id = abandoned_upload("abc", 0, &loc);
    struct error e;

    MUST(image_remove(w.db, w.stores, world_load(&w, w.arena, id), NULL, NULL, &e));
    assert_int_equal(world_reap(&w).uploads, 1);
    assert_int_equal(world_status(&w, id), IMAGE_DELETED);
    assert_int_equal(world_leases(&w) + world_objects(&w) + world_trash(&w), 0);
}

static void an_object_in_use_is_never_removed(void **state UNUSED)
{
    struct store_location loc;
    char sql[2048];

    abandoned_upload("abc", 0, &loc);
    snprintf(sql, sizeof sql,
             "INSERT INTO image_locations (image_id, value, status, created_at, deleted) "
             "SELECT image_id, url, 'active', '2026-01-01', 0 FROM glint_leases; "
             "INSERT INTO glint_trash (store, url, created_at, attempts) "
             "VALUES ('file', '%s', '2026-01-01', 0)",
             loc.url);
    world_sql(&w, sql);
    assert_int_equal(world_reap(&w).objects, 0);
    assert_true(test_holds(world_store(&w), loc.url, "abc", 3));
    assert_int_equal(world_leases(&w) + world_trash(&w), 0);
}

static void a_removal_that_fails_is_tried_again(void **state UNUSED)
{
    struct store_location loc;
    const char *id = abandoned_upload("abc", 0, &loc);
    struct upkeep_counts n;
    struct error e;

    store_fault_wrap(world_store(&w));
    store_fault_arm(1, ERROR_UNAVAILABLE, false);
    assert_int_equal(upkeep_round(w.db, w.stores, &n, &e), -1);
    assert_int_equal(e.kind, ERROR_UNAVAILABLE);
    assert_int_equal(world_status(&w, id), IMAGE_SAVING);
    assert_int_equal(world_reap(&w).uploads,
                     0); /* the reaper's own lease keeps the next attempt away for a while */
    world_sql(&w, "UPDATE glint_leases SET expires_at = 0");
    assert_int_equal(world_reap(&w).uploads, 1);
    assert_true(world_queued(&w, id));
    assert_int_equal(world_leases(&w) + world_objects(&w), 0);
}

static const struct {
    const char *name;
    int age_s, attempts;
    bool due;
} trash_rows[] = {
    { "new", 0, 0, true },
    { "failed once just now", 0, 1, false },
    { "failed once half a minute ago", 31, 1, true },
    { "failed twice", 60, 2, false },
    { "failed twice, later", 91, 2, true },
    { "failed often", 3600, 10, false },
    { "failed often, days ago", 4 * 86400, 14, true },
};

static void trash_waits_longer_after_each_failure(void **state UNUSED)
{
    for (size_t i = 0; i < COUNT(trash_rows); i++) {
        struct store_location loc;
        char sql[2048], made[CLOCK_TEXT_MAX];
        struct error e;

        MUST(test_put(world_store(&w), ID_A, 3, "abc", 3, &loc, &e));
        clock_sql(clock_now_us() - trash_rows[i].age_s * CLOCK_SECOND, made);
        snprintf(sql, sizeof sql,
                 "INSERT INTO glint_trash (store, url, created_at, attempts) VALUES ('file', '%s', '%s', %d)",
                 loc.url, made, trash_rows[i].attempts);
        world_sql(&w, sql);
        CHECK_CASE(trash_rows[i].name, world_reap(&w).objects == trash_rows[i].due);
        CHECK_CASE(trash_rows[i].name, (world_trash(&w) == 0) == trash_rows[i].due);
        CHECK_CASE(trash_rows[i].name, (store_delete(world_store(&w), loc.url, &e) < 0) == trash_rows[i].due);
        world_sql(&w, "DELETE FROM glint_trash");
    }
}

static void trash_that_cannot_be_removed_stays(void **state UNUSED)
{
    struct store_location loc;
    char sql[2400];
    struct upkeep_counts n;
    struct error e;

    MUST(test_put(world_store(&w), ID_A, 3, "abc", 3, &loc, &e));
    snprintf(sql, sizeof sql,
             "INSERT INTO glint_trash (store, url, created_at, attempts) VALUES "
             "('file', '%s', '2026-01-01', 0), ('file', '%s-gone-already', '2026-01-01', 0)",
             loc.url, loc.url);
    world_sql(&w, sql);
    store_fault_wrap(world_store(&w));
    store_fault_arm(1, ERROR_UNAVAILABLE, false);
    assert_int_equal(upkeep_round(w.db, w.stores, &n, &e), -1);
    assert_int_equal(world_trash(&w), 1); /* the other one is done with */
    assert_int_equal(world_reap(&w).objects, 1);
    assert_int_equal(world_trash(&w) + world_objects(&w), 0);
}

static void temporary_files_of_the_dead_go(void **state UNUSED)
{
    char path[300];
    FILE *f;

    snprintf(path, sizeof path, "%s/.glint", w.images);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/.glint/%s.0123456789abcdef", w.images, ID_A);
    f = fopen(path, "w");
    assert_non_null(f);
    fclose(f);
    assert_int_equal(world_reap(&w).files, 1);
    assert_int_equal(world_temporaries(&w), 0);
}

/* ---- several at once ---- */

static void *reap_thread(void *arg)
{
    struct upkeep_counts *n = arg;
    struct error e;

    if (upkeep_round(w.db, w.stores, n, &e) < 0)
        n->files = 1000;
    return NULL;
}

static void reapers_share_the_work(void **state UNUSED)
{
    for (int round = 0; round < 5; round++) {
        struct upkeep_counts counts[4];
        pthread_t threads[4];
        struct store_location loc;
        size_t uploads = 0, objects = 0;

        for (int i = 0; i < 6; i++)
            abandoned_upload("abc", 0, &loc);
        for (size_t i = 0; i < COUNT(threads); i++)
            assert_int_equal(pthread_create(&threads[i], NULL, reap_thread, &counts[i]), 0);
        for (size_t i = 0; i < COUNT(threads); i++) {
            pthread_join(threads[i], NULL);
            assert_int_equal(counts[i].files, 0);
            uploads += counts[i].uploads;
            objects += counts[i].objects;
        }
        assert_int_equal(uploads, 6);
        assert_int_equal(objects, 6);
        assert_int_equal(world_leases(&w) + world_objects(&w), 0);
    }
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(nothing_to_do),
        T(an_upload_that_is_over_is_undone),
        T(an_upload_that_may_live_is_left),
        T(a_deleted_image_stays_deleted),
        T(an_object_in_use_is_never_removed),
        T(a_removal_that_fails_is_tried_again),
        T(trash_waits_longer_after_each_failure),
        T(trash_that_cannot_be_removed_stays),
        T(temporary_files_of_the_dead_go),
        T(reapers_share_the_work),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
