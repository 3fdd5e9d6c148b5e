/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs, by the one kind there is: a location's. Its object is in the file store, which can be made to fail.
 */
#include "db/driver.h"
#include "unit/transfer/setup.h"

#include "imports/imports.h"
#include "jobs/kind.h"

static struct world w;
static struct jobs *jobs;

static struct jobs *worker_with(struct db *db, int64_t patience_us, int64_t per_store)
{
    static const struct import_settings imports = { .task_hours = 48 };

    return jobs_start(&(struct jobs_options){ .db = db,
                                              .stores = w.stores,
                                              .retries = 2,
                                              .patience_us = patience_us,
                                              .per_store = per_store,
                                              .kinds = import_job_kinds,
                                              .settings = &imports,
                                              .task_hours = imports.task_hours });
}

static struct jobs *worker(int64_t patience_us)
{
    return worker_with(w.db, patience_us, 0);
}

static int setup(void **state UNUSED)
{
    world_open(&w, "sqlite");
    jobs = worker(0);
    return 0;
}

static int teardown(void **state UNUSED)
{
    jobs_stop(jobs);
    store_fault_arm(0, ERROR_INTERNAL, false);
    world_close(&w);
    return 0;
}

/* An object that belongs to no image; its URL. */
static const char *object(const char *id, const char *text)
{
    struct store_location loc;
    struct error e;

    MUST(test_put(world_store(&w), id, -1, text, strlen(text), &loc, &e));
    return arena_str(w.arena, loc.url);
}

static const char *add(const char *url, const char *value, bool hash)
{
    const char *id = world_image(&w, "raw");
    CLEANUP(db_release) struct db_conn *c = NULL;
    struct arena *a = arena_make(4096);
    struct image *im = world_load(&w, a, id);
    const struct location_request l = {
        .url = url, .algorithm = "sha512", .value = value, .hash = hash, .location_quota = 10, .owner = "p"
    };
    char job_id[UUID_TEXT_MAX];
    struct error e;

    MUST(db_acquire(w.db, DB_WAIT, &c, &e));
    MUST(db_begin_write(c, &e));
    MUST(location_job_add(c, im, &l, job_id, &e));
    MUST(db_commit(c, &e));
    arena_free(a);
    return id;
}

static bool locked(const char *id)
{
    struct arena *a = arena_make(4096);
    bool is = image_property_get(world_load(&w, a, id), "os_glance_import_task") != NULL;

    arena_free(a);
    return is;
}

/* Until nothing works on the image any more. */
static void work(const char *id)
{
    const struct timespec nap = { 0, 5000000 };
    struct error e;

    for (int i = 0; locked(id); i++) {
        MUST(jobs_poll(jobs, &e));
        nanosleep(&nap, NULL);
        assert_true(i < 4000);
    }
}

static void data_get_their_hashes(void **state UNUSED)
{
    const char *id = add(object(ID_A, "some data"), NULL, true);

    work(id);
    assert_true(world_active(&w, id, "some data", 9));
}

static void a_right_hash_is_believed(void **state UNUSED)
{
    char md5[33], hash[STREAM_HASH_HEX_MAX];
    const char *id;

    world_digest("some data", 9, md5, hash);
    id = add(object(ID_A, "some data"), hash, true);
    work(id);
    assert_true(world_active(&w, id, "some data", 9));
}

static void a_wrong_hash_is_not(void **state UNUSED)
{
    const char *url = object(ID_A, "some data"), *id = add(url, "ab", true);

    work(id);
    assert_true(world_queued(&w, id));
    assert_true(test_holds(world_store(&w), url, "some data", 9));
}

static void without_hashing_what_is_said_counts(void **state UNUSED)
{
    const char *id = add(object(ID_A, "some data"), "ab", false);
    struct image *im;

    work(id);
    im = world_load(&w, w.arena, id);
    assert_int_equal(im->status, IMAGE_ACTIVE);
    assert_string_equal(im->os_hash_value, "ab");
    assert_null(im->checksum);
}

static void nothing_there_is_no_location(void **state UNUSED)
{
    const char *url = arena_printf(w.arena, "file://%s/" ID_B, w.images), *id = add(url, NULL, true);

    work(id);
    assert_true(world_queued(&w, id));
}

/* Each call of the store in turn fails once: it is tried again, and all is well. */
static void one_failure_is_made_good(void **state UNUSED)
{
    bool fired = true;

    store_fault_wrap(world_store(&w));
    for (long n = 1; fired; n++) {
        char name[UUID_TEXT_MAX];
        const char *id, *url;

        store_fault_arm(0, ERROR_INTERNAL, false);
        uuid_make(name);
        url = object(name, "some data");
        id = add(url, NULL, true);
        store_fault_arm(n, ERROR_UNAVAILABLE, false);
        work(id);
        fired = store_fault_fired();
        store_fault_arm(0, ERROR_INTERNAL, false);
        assert_true(world_active(&w, id, "some data", 9));
        assert_true(n < 10);
    }
}

/* A process that died at each step left such a row. */
static void what_the_dead_left_goes_on(void **state UNUSED)
{
    const char *id = add(object(ID_A, "some data"), NULL, true);

    world_sql(&w, "UPDATE glint_jobs SET state = 'running', holder = 'dead', expires_at = 1");
    jobs_stop(jobs);
    jobs = worker(CLOCK_SECOND / 5);
    work(id);
    assert_true(world_active(&w, id, "some data", 9));
}

static void what_the_living_have_is_left(void **state UNUSED)
{
    const char *id = add(object(ID_A, "some data"), NULL, true);
    struct error e;

    world_sql(
        &w,
        "UPDATE glint_jobs SET state = 'running', holder = 'elsewhere', expires_at = 9000000000000000000");
    for (int i = 0; i < 20; i++)
        MUST(jobs_poll(jobs, &e));
    assert_int_equal(world_status(&w, id), IMAGE_QUEUED);
    assert_true(locked(id));
}

static void unknown_kinds_are_left(void **state UNUSED)
{
    const char *id = add(object(ID_A, "some data"), NULL, true);
    struct error e;

    world_sql(&w, "UPDATE glint_jobs SET kind = 'of a later release'");
    MUST(jobs_poll(jobs, &e));
    assert_true(locked(id));
}

static void one_image_one_job(void **state UNUSED)
{
    const char *id = add(object(ID_A, "some data"), NULL, true);
    const struct location_request l = { .url = "file:///x", .algorithm = "md5", .owner = "p" };
    CLEANUP(db_release) struct db_conn *c = NULL;
    char job_id[UUID_TEXT_MAX];
    struct error e;

    MUST(db_acquire(w.db, DB_WAIT, &c, &e));
    MUST(db_begin_write(c, &e));
    assert_int_equal(location_job_add(c, world_load(&w, w.arena, id), &l, job_id, &e), -1);
    assert_int_equal(e.kind, ERROR_CONFLICT);
    db_rollback(c);
}

/* More than run at once, by two workers; each is done, and once. */
static void many_jobs(void **state UNUSED)
{
    struct jobs *others = worker(0);
    const char *ids[24];
    struct error e;

    for (size_t i = 0; i < COUNT(ids); i++) {
        char name[UUID_TEXT_MAX];

        uuid_make(name);
        ids[i] = add(object(name, "some data"), NULL, true);
    }
    for (size_t i = 0; i < COUNT(ids); i++)
        while (locked(ids[i])) {
            MUST(jobs_poll(jobs, &e));
            MUST(jobs_poll(others, &e));
        }
    for (size_t i = 0; i < COUNT(ids); i++)
        assert_true(world_active(&w, ids[i], "some data", 9));
    jobs_stop(others);
}

static void a_stop_gives_back(void **state UNUSED)
{
    const char *id = add(object(ID_A, "some data"), NULL, true);
    struct error e;

    MUST(jobs_poll(jobs, &e));
    jobs_stop(jobs);
    jobs = worker(0);
    work(id);
    assert_true(world_active(&w, id, "some data", 9));
}

static bool is_work_left(void)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    struct job *list;
    bool left = false;
    struct error e;
    size_t n;

    MUST(db_acquire(w.db, DB_WAIT, &c, &e));
    MUST(job_list(c, w.arena, false, &list, &n, &e));
    for (size_t i = 0; i < n; i++)
        left = left || list[i].state != JOB_FAILED;
    return left;
}

/* As Glance's own tool does with what was deleted long ago. */
static void purged_images_end_their_jobs(void **state UNUSED)
{
    const struct timespec nap = { 0, 5000000 };
    struct error e;

    add(object(ID_A, "some data"), NULL, true);
    world_sql(&w, "DELETE FROM image_properties");
    world_sql(&w, "DELETE FROM images");
    for (int i = 0; is_work_left(); i++) {
        MUST(jobs_poll(jobs, &e));
        nanosleep(&nap, NULL);
        assert_true(i < 2000);
    }
}

/* Between the job's two steps somebody gave the image another location. */
static void hashes_are_not_of_other_data(void **state UNUSED)
{
    const char *id = add(object(ID_A, "some data"), NULL, true);
    struct image *im;

    world_sql(&w, "UPDATE glint_jobs SET step = 'attached'");
    world_sql(&w, "UPDATE images SET status = 'active', size = 9");
    world_sql(&w, arena_printf(w.arena,
                               "INSERT INTO image_locations (image_id, value, meta_data, status, created_at, "
                               "updated_at, deleted) VALUES ('%s', '%s', '{}', 'active', '2026-01-01', "
                               "'2026-01-01', FALSE)",
                               id, object(ID_B, "more data")));
    work(id);
    im = world_load(&w, w.arena, id);
    assert_int_equal(im->status, IMAGE_ACTIVE);
    assert_null(im->os_hash_value);
}

/* ---- giving up ---- */

static struct job *job_of(const char *image_id)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    struct job *list;
    struct error e;
    size_t n;

    MUST(db_acquire(w.db, DB_WAIT, &c, &e));
    MUST(job_list(c, w.arena, true, &list, &n, &e));
    for (size_t i = 0; i < n; i++)
        if (str_eq(list[i].image_id, image_id))
            return &list[i];
    return NULL;
}

static void note(const char *name, const char *value)
{
    world_sql(&w,
              arena_printf(
                  w.arena,
                  "INSERT INTO glint_job_notes (job_id, name, value) SELECT id, '%s', '%s' FROM glint_jobs",
                  name, value));
}

/* As twenty processes left it that died at the same step. */
static void what_kills_its_workers_is_given_up(void **state UNUSED)
{
    const char *id = add(object(ID_A, "some data"), NULL, true);

    world_sql(&w, "UPDATE glint_jobs SET state = 'running', holder = 'dead', expires_at = 0");
    note("takeovers", "19");
    work(id);
    assert_true(world_queued(&w, id));
    assert_int_equal(job_of(id)->state, JOB_FAILED);
    assert_string_equal(job_of(id)->message, "The process that did it died 20 times after step \"\".");
}

static void nineteen_are_not_twenty(void **state UNUSED)
{
    const char *id = add(object(ID_A, "some data"), NULL, true);

    world_sql(&w, "UPDATE glint_jobs SET state = 'running', holder = 'dead', expires_at = 0");
    note("takeovers", "18");
    work(id);
    assert_true(world_active(&w, id, "some data", 9));
}

/* Those that would undo it died too: it does not take one worker after the other with it. */
static void what_kills_for_ever_is_left_for_a_while(void **state UNUSED)
{
    const char *id = add(object(ID_A, "some data"), NULL, true);
    struct error e;

    world_sql(&w, "UPDATE glint_jobs SET state = 'running', holder = 'dead', expires_at = 0");
    note("takeovers", "21");
    for (int i = 0; i < 20; i++)
        MUST(jobs_poll(jobs, &e));
    assert_true(locked(id));
    world_sql(&w, "UPDATE glint_jobs SET updated_at = '2026-01-01 00:00:00.000000'");
    work(id);
    assert_true(world_queued(&w, id));
}

/* As a download finds what the tries before it have kept. */
static void what_is_kept_is_progress(void **state UNUSED)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    const char *id = add(object(ID_A, "some data"), NULL, true);
    const struct jobs_options o = { .db = w.db };
    struct job_run r = { .o = &o, .arena = w.arena, .holder = "me" };
    const struct {
        uint64_t at;
        int64_t before, after;
    } tries[] = { { 0, 1, 1 }, { 500, 2, 0 }, { 500, 1, 1 }, { 400, 2, 2 }, { 501, 3, 0 } };
    struct error e;

    MUST(db_acquire(w.db, DB_WAIT, &c, &e));
    MUST(job_take(c, job_of(id), "me", 5, &e));
    for (size_t i = 0; i < COUNT(tries); i++) {
        MUST(job_take(c, job_of(id), "me", 5, &e)); /* over from one who died */
        r.job = job_of(id);
        assert_int_equal(r.job->takeovers, tries[i].before);
        MUST(job_reached(&r, tries[i].at, &e));
        assert_int_equal(job_of(id)->takeovers, tries[i].after);
    }
}

static void what_is_to_be_given_up_is_not_run(void **state UNUSED)
{
    const char *id = add(object(ID_A, "some data"), NULL, true);

    note("giving_up", "media it is none");
    work(id);
    assert_true(world_queued(&w, id));
    assert_string_equal(job_of(id)->message, "it is none");
}

/* One call of the database after the other fails while a job fails: it is given up in the end. */
static void giving_up_is_tried_again(void **state UNUSED)
{
    bool fired = true;
    struct db *faulty;
    struct error e;
    char url[200];

    jobs_stop(jobs);
    snprintf(url, sizeof url, "fault+sqlite:///%s/glint.sqlite", w.dir);
    MUST(db_open(url, false, 8, &faulty, &e));
    for (long n = 1; fired; n += 3) {
        char name[UUID_TEXT_MAX];
        const char *id;

        uuid_make(name);
        id = add(object(name, "some data"), "ab", true);
        world_sql(&w, "UPDATE glint_jobs SET step = 'attached' WHERE state = 'waiting'");
        world_sql(&w, arena_printf(w.arena, "UPDATE images SET status = 'importing' WHERE id = '%s'", id));
        jobs = worker_with(faulty, CLOCK_SECOND / 2, 0);
        db_fault_arm(n, ERROR_UNAVAILABLE);
        for (int i = 0; i < 4000 && locked(id); i++) {
            const struct timespec nap = { 0, 5000000 };

            if (jobs_poll(jobs, &e) < 0)
                assert_string_equal(e.message, "The database is not available");
            nanosleep(&nap, NULL);
        }
        fired = db_fault_fired();
        db_fault_arm(0, ERROR_UNAVAILABLE);
        assert_true(world_queued(&w, id));
        assert_int_equal(job_of(id)->state, JOB_FAILED);
        jobs_stop(jobs);
        assert_true(n < 200);
    }
    db_close(faulty);
    jobs = worker(0);
}

/* While its end cannot be written a job stays with its worker, which puts it back as soon as it can. */
static void an_end_that_cannot_be_written_is_written_later(void **state UNUSED)
{
    const struct timespec nap = { 0, 5000000 };
    const char *id = add(object(ID_A, "some data"), NULL, true);
    struct db *faulty;
    struct error e;
    char url[200];

    jobs_stop(jobs);
    snprintf(url, sizeof url, "fault+sqlite:///%s/glint.sqlite", w.dir);
    MUST(db_open(url, false, 8, &faulty, &e));
    store_fault_wrap(world_store(&w));
    jobs = worker_with(faulty, 0, 0);
    store_fault_arm(1, ERROR_UNAVAILABLE, false);
    db_fault_units(DB_FAULT_AGAIN, 1, 10, "job.put_back"); /* all tries of one unit */
    for (int i = 0; i < 4000 && !world_active(&w, id, "some data", 9); i++) {
        MUST(jobs_poll(jobs, &e));
        nanosleep(&nap, NULL);
    }
    assert_true(world_active(&w, id, "some data", 9));
    assert_true(db_fault_fired());
    db_fault_units(DB_FAULT_NONE, 0, 0, "");
    jobs_stop(jobs);
    db_close(faulty);
    jobs = worker(0);
}

/* ---- how many ---- */

static size_t running(void)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    struct job *list;
    struct error e;
    size_t n;

    MUST(db_acquire(w.db, DB_WAIT, &c, &e));
    MUST(job_running(c, w.arena, &list, &n, &e));
    return n;
}

/* Those that write into a store of which enough do so wait, and hide no other. */
static void a_store_is_written_by_so_many(void **state UNUSED)
{
    const struct timespec nap = { 0, 2000000 };
    size_t most = 0;
    struct error e;

    jobs_stop(jobs);
    jobs = worker_with(w.db, 0, 1);
    for (int i = 0; i < 130; i++) {
        char name[UUID_TEXT_MAX];

        uuid_make(name);
        add(object(name, "some data"), NULL, true);
    }
    note("stores", "slow,fast");
    add(object(ID_A, "some data"), NULL, true);
    MUST(jobs_poll(jobs, &e));
    assert_true(running() <= 2); /* one of each */
    while (is_work_left()) {
        MUST(jobs_poll(jobs, &e));
        most = running() > most ? running() : most;
        nanosleep(&nap, NULL);
    }
    assert_true(most <= 2);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(data_get_their_hashes),
        TEST(a_right_hash_is_believed),
        TEST(a_wrong_hash_is_not),
        TEST(without_hashing_what_is_said_counts),
        TEST(nothing_there_is_no_location),
        TEST(one_failure_is_made_good),
        TEST(what_the_dead_left_goes_on),
        TEST(what_the_living_have_is_left),
        TEST(unknown_kinds_are_left),
        TEST(one_image_one_job),
        TEST(many_jobs),
        TEST(a_stop_gives_back),
        TEST(purged_images_end_their_jobs),
        TEST(hashes_are_not_of_other_data),
        TEST(what_kills_its_workers_is_given_up),
        TEST(nineteen_are_not_twenty),
        TEST(what_kills_for_ever_is_left_for_a_while),
        TEST(what_is_kept_is_progress),
        TEST(what_is_to_be_given_up_is_not_run),
        TEST(giving_up_is_tried_again),
        TEST(an_end_that_cannot_be_written_is_written_later),
        TEST(a_store_is_written_by_so_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
