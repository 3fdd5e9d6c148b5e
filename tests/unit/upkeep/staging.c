/* SPDX-License-Identifier: Apache-2.0 */
#include "db/driver.h"
#include "unit/transfer/setup.h"

#include <pthread.h>
#include <time.h>

#define HOUR (3600 * CLOCK_SECOND)

static struct world w;
static char staging[100];

static int setup(void **state UNUSED)
{
    world_open(&w, "sqlite");
    snprintf(staging, sizeof staging, "%s/staging", w.dir);
    assert_int_equal(mkdir(staging, 0700), 0);
    return 0;
}

static int teardown(void **state UNUSED)
{
    world_close(&w);
    return 0;
}

static struct staging_look world_look(void)
{
    return (struct staging_look){ .db = w.db, .dir = staging, .age_us = HOUR };
}

static void file_make(const char *id, const char *suffix, int age_s)
{
    struct timespec times[2] = { 0 };
    char path[300];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s%s", staging, id, suffix);
    f = fopen(path, "w");
    assert_non_null(f);
    fclose(f);
    times[0].tv_sec = times[1].tv_sec = time(NULL) - age_s;
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static bool file_is_there(const char *id, const char *suffix)
{
    char path[300];

    snprintf(path, sizeof path, "%s/%s%s", staging, id, suffix);
    return access(path, F_OK) == 0;
}

static size_t files(void)
{
    return test_dir_count(w.dir, "staging", true);
}

static size_t clean(void)
{
    struct staging_look l = world_look();
    struct error e;
    size_t n;

    MUST(staging_clean(&l, &n, &e));
    return n;
}

/* %s: the image's id */
static const char job[] =
    "INSERT INTO glint_jobs (id, kind, image_id, state, step, attempt, holder, expires_at, "
    "next_run_at, arguments, message, created_at, updated_at) VALUES ('j', 'import', '%s', "
    "'running', '', 0, 'gone', 1, 0, '{}', '', '2026-01-01', '2026-01-01')";
static const char lease[] = "INSERT INTO glint_leases (image_id, holder, store, url, expires_at) "
                            "VALUES ('%s', 'gone', 's', 'u', 1)";
static const char glance[] =
    "INSERT INTO image_properties (image_id, name, value, created_at, deleted) VALUES "
    "('%s', 'os_glance_import_task', 't', '2026-01-01', 0); INSERT INTO tasks (id, type, status, owner, "
    "created_at, updated_at, deleted) VALUES ('t', 'api_image_import', 'processing', 'p', '2026-01-01', "
    "'2036-01-01 00:00:00.000000', 0)";
static const char glance_dead[] =
    "INSERT INTO image_properties (image_id, name, value, created_at, deleted) VALUES "
    "('%s', 'os_glance_import_task', 't', '2026-01-01', 0); INSERT INTO tasks (id, type, status, owner, "
    "created_at, updated_at, deleted) VALUES ('t', 'api_image_import', 'processing', 'p', '2026-01-01', "
    "'2026-01-01 00:00:00.000000', 0)";

static const struct {
    const char *name, *status, *sql, *suffix;
    int age_s;
    bool goes;
} rows[] = {
    { "waits for an import", "uploading", NULL, "", 90000, false },
    { "waits, under a name that an import left", "uploading", NULL, ".new", 90000, false },
    { "waits, and a plugin left this", "uploading", NULL, ".uc", 90000, true },
    { "being converted", "importing", job, ".qcow2", 90000, false },
    { "under a job", "queued", job, ".part", 90000, false },
    { "of an active image, under a job", "active", job, "", 90000, false },
    { "under a lease", "queued", lease, "", 90000, false },
    { "of a deleted image, under a job", "deleted", job, "", 90000, false },
    { "under Glance's lock", "active", glance, "", 90000, false },
    { "under a lock that expired", "active", glance_dead, "", 90000, true },
    { "lost by Glance", "importing", glance_dead, "", 90000, false },
    { "active", "active", NULL, "", 90000, true },
    { "deactivated", "deactivated", NULL, ".raw", 90000, true },
    { "queued", "queued", NULL, "", 90000, true },
    { "queued, and partly fetched", "queued", NULL, ".part", 90000, true },
    { "deleted", "deleted", NULL, "", 90000, true },
    { "killed", "killed", NULL, "", 90000, true },
    { "deleted a moment ago", "deleted", NULL, "", 10, false },
    { "active since a moment", "active", NULL, "", 10, false },
};

static void each_file_stays_or_goes(void **state UNUSED)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *id = world_image(&w, "raw");
        char sql[2000];

        snprintf(sql, sizeof sql, "UPDATE images SET status = '%s', deleted = %d WHERE id = '%s'",
                 rows[i].status, str_eq(rows[i].status, "deleted"), id);
        world_sql(&w, sql);
        if (rows[i].sql) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            snprintf(sql, sizeof sql, rows[i].sql, id);
#pragma GCC diagnostic pop
            world_sql(&w, sql);
        }
        snprintf(
            sql, sizeof sql,
            "INSERT INTO glint_staged (image_id, host, mark, size, checksum, os_hash_algo, os_hash_value, "
            "verdict) VALUES ('%s', '', 'm', 1, '', '', '', '{}')",
            id);
        world_sql(&w, sql);
        file_make(id, rows[i].suffix, rows[i].age_s);
        CHECK_CASE(rows[i].name, clean() == rows[i].goes);
        CHECK_CASE(rows[i].name, file_is_there(id, rows[i].suffix) != rows[i].goes);
        world_sql(&w, "DELETE FROM glint_jobs; DELETE FROM glint_leases; DELETE FROM tasks; "
                      "DELETE FROM image_properties; DELETE FROM glint_staged; DELETE FROM images");
        test_dir_remove(staging);
        assert_int_equal(mkdir(staging, 0700), 0);
    }
}

static void unknown_images_and_foreign_names(void **state UNUSED)
{
    static const char *const foreign[] = { "README",
                                           ".hidden",
                                           ID_A "x",
                                           ID_A ".",
                                           ID_A ".a b",
                                           ID_A "..part",
                                           "11111111-1111-4111-8111-11111111111g" };
    char sub[200];

    file_make(ID_A, "", 90000);
    file_make(ID_A, ".uc", 90000);
    file_make(ID_B, "", 10);
    for (size_t i = 0; i < COUNT(foreign); i++)
        file_make(foreign[i], "", 90000);
    snprintf(sub, sizeof sub, "%s/33333333-3333-4333-8333-333333333333", staging);
    assert_int_equal(mkdir(sub, 0700), 0);
    snprintf(sub, sizeof sub, "%s/44444444-4444-4444-8444-444444444444", staging);
    assert_int_equal(symlink("README", sub), 0);
    assert_int_equal(files(), 2 + 1 + COUNT(foreign) + 2);
    assert_int_equal(clean(), 3); /* of unknown images, however young: the row comes before the file */
    assert_int_equal(files(), COUNT(foreign) + 2);
    assert_int_equal(clean(), 0);
}

static void a_directory_that_is_not_there_has_no_files(void **state UNUSED)
{
    assert_int_equal(rmdir(staging), 0);
    assert_int_equal(clean(), 0);
}

static void rows_go_with_the_need(void **state UNUSED)
{
    static const char *const statuses[] = { "uploading", "importing", "queued", "active", "deleted" };
    CLEANUP(db_release) struct db_conn *c = NULL;
    const char **left;
    size_t n, gone;
    struct error e;
    char sql[600];

    for (size_t i = 0; i < COUNT(statuses); i++) {
        snprintf(sql, sizeof sql,
                 "UPDATE images SET status = '%s' WHERE id = '%s'; INSERT INTO glint_staged SELECT id, '', "
                 "'m', 1, "
                 "'', '', '', '{}' FROM images WHERE status = '%s'",
                 statuses[i], world_image(&w, "raw"), statuses[i]);
        world_sql(&w, sql);
    }
    world_sql(&w, "INSERT INTO glint_staged VALUES ('" ID_A "', '', 'm', 1, '', '', '', '{}')");
    MUST(staging_rows_tidy(w.db, &gone, &e));
    assert_int_equal(gone, 4);
    MUST(db_acquire(w.db, DB_WAIT, &c, &e));
    MUST(survey_ids(c, w.arena, SURVEY_STAGED, "", 10, &left, &n, &e));
    assert_int_equal(n, 2);
}

/* The database fails at every call in turn: what is removed was to be removed, and the rest is next time. */
static void failures_keep_what_is_needed(void **state UNUSED)
{
    for (long n = 1;; n++) {
        struct staging_look l = world_look();
        const char *needed;
        size_t removed;
        struct error e;
        int result;
        bool fired;

        needed = world_image(&w, "raw");
        world_sql(&w, "UPDATE images SET status = 'uploading'");
        file_make(needed, "", 90000);
        file_make(ID_A, "", 90000);
        world_detach(&w);
        world_attach(&w, "fault+sqlite");
        l.db = w.db;
        db_fault_arm(n, ERROR_UNAVAILABLE);
        result = staging_clean(&l, &removed, &e);
        fired = db_fault_fired();
        db_fault_arm(0, ERROR_UNAVAILABLE);
        assert_int_equal(result, fired ? -1 : 0);
        world_detach(&w);
        world_attach(&w, "sqlite");
        clean();
        assert_int_equal(files(), 1);
        world_sql(&w, "UPDATE images SET status = 'active'");
        assert_int_equal(clean(), 1);
        if (!fired)
            break;
    }
}

/* ---- two hosts with one directory, and uploads that come and go ---- */

struct host {
    _Atomic bool stop;
    size_t removed;
};

static void *clean_thread(void *arg)
{
    struct staging_look l = world_look();
    struct host *h = arg;

    l.age_us = 0;
    while (!h->stop) {
        struct error e;
        size_t n;

        MUST(staging_clean(&l, &n, &e));
        h->removed += n;
    }
    return NULL;
}

static void status_set(const char *id, enum image_status from, enum image_status to)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    struct error e;

    MUST(db_acquire(w.db, DB_WAIT, &c, &e));
    MUST(db_begin_write(c, &e));
    MUST(image_status_set(c, id, from, to, &e));
    MUST(db_commit(c, &e));
}

static void two_hosts_share_the_directory(void **state UNUSED)
{
    struct host hosts[2] = { 0 };
    pthread_t threads[2];

    for (size_t i = 0; i < COUNT(hosts); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, clean_thread, &hosts[i]), 0);
    for (int i = 0; i < 60; i++) {
        const char *id = world_image(&w, "raw");

        status_set(id, IMAGE_QUEUED, IMAGE_UPLOADING);
        file_make(id, "", 1);
        usleep(2000);
        assert_true(file_is_there(id, ""));
        status_set(id, IMAGE_UPLOADING, IMAGE_IMPORTING);
        file_make(id, ".uc", 1);
        usleep(1000);
        assert_true(file_is_there(id, "") && file_is_there(id, ".uc"));
        status_set(id, IMAGE_IMPORTING, IMAGE_ACTIVE);
    }
    for (int i = 0; i < 200 && files() > 0; i++)
        usleep(10000);
    for (size_t i = 0; i < COUNT(hosts); i++) {
        hosts[i].stop = true;
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(files(), 0);
    assert_int_equal(hosts[0].removed + hosts[1].removed, 120);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(each_file_stays_or_goes),
        T(unknown_images_and_foreign_names),
        T(a_directory_that_is_not_there_has_no_files),
        T(rows_go_with_the_need),
        T(failures_keep_what_is_needed),
        T(two_hosts_share_the_directory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
