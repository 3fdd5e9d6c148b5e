/* SPDX-License-Identifier: Apache-2.0 */
#include "upkeep/doctor/doctor.h"

#include "unit/transfer/setup.h"

#include <time.h>

#define LOST ID_A                                   /* an object of nobody */
#define DEAD "33333333-3333-4333-8333-333333333333" /* a staged file of nobody */

static struct world w;
static const char *sound, *locked, *saving, *uploading, *importing, *staged;

static void stores_swap(bool memory)
{
    char images[200], uri[200];
    const char *const files[] = { images, uri, "DEFAULT.enabled_import_methods=glance-direct", NULL };
    struct error e;

    stores_close(w.stores);
    if (memory) {
        w.stores = test_memory_stores();
        return;
    }
    snprintf(images, sizeof images, "glance_store.filesystem_store_datadir=%s", w.images);
    snprintf(uri, sizeof uri, "DEFAULT.node_staging_uri=file://%s/staging", w.dir);
    MUST(test_stores_open(files, &w.stores, &e));
}

static void attach(const char *scheme)
{
    world_attach(&w, scheme);
    stores_swap(false);
}

static int setup(void **state UNUSED)
{
    world_open(&w, "sqlite");
    stores_swap(false);
    return 0;
}

static int teardown(void **state UNUSED)
{
    store_fault_arm(0, ERROR_INTERNAL, false);
    db_fault_arm(0, ERROR_INTERNAL);
    world_close(&w);
    return 0;
}

/* ---- damage ---- */

static void file_make(const char *folder, const char *name, const char *text)
{
    struct timespec times[2] = { { .tv_sec = time(NULL) - 100000 }, { .tv_sec = time(NULL) - 100000 } };
    char path[400];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s/%s", w.dir, folder, name);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static const char *active(void)
{
    struct upload_options o = world_options(&w);
    const char *id = world_image(&w, "raw");
    struct stream_memory m = { "the data", 8, 0 };
    struct stream_source body = stream_memory_source(&m);
    struct error e;

    o.inspect = false;
    MUST(world_upload(&w, id, &o, &body, &e));
    return arena_str(w.arena, id);
}

static const char *in_status(const char *status, int size)
{
    const char *id = world_image(&w, "raw");
    char sql[300];

    snprintf(
        sql, sizeof sql,
        "UPDATE images SET status = '%s', size = nullif(%d, -1), updated_at = '2026-01-01 00:00:00.000000' "
        "WHERE id = '%s'",
        status, size, id);
    world_sql(&w, sql);
    return id;
}

static void damage(void)
{
    char sql[1200];

    sound = active();
    locked = active();
    saving = in_status("saving", -1);
    uploading = in_status("uploading", 9);
    importing = in_status("importing", 9);
    staged = in_status("importing", 6);
    file_make("staging", staged, "staged");
    file_make("staging", DEAD, "dead");
    file_make("images", LOST, "lost");
    snprintf(sql, sizeof sql,
             "INSERT INTO image_properties (image_id, name, value, created_at, deleted) VALUES "
             "('%s', 'os_glance_import_task', 't', '2026-01-01', 0)",
             locked);
    world_sql(&w, sql);
    snprintf(sql, sizeof sql,
             "INSERT INTO tasks (id, type, status, owner, image_id, created_at, updated_at, deleted) "
             "SELECT id, 'import', status, 'p', image, '2026-01-01', '2026-01-01 00:00:00.000000', 0 FROM "
             "(SELECT 't' AS id, 'processing' AS status, '%s' AS image UNION SELECT 'u', 'pending', NULL)",
             locked);
    world_sql(&w, sql);
    snprintf(sql, sizeof sql,
             "INSERT INTO glint_job_notes (job_id, name, value) VALUES ('gone', 'token', 'x')");
    world_sql(&w, sql);
}

/* ---- looking ---- */

struct told {
    int findings[FINDING_KINDS], repaired[FINDING_KINDS], troubles;
};

static void tell(void *arg, const struct finding *f)
{
    struct told *t = arg;

    t->findings[f->kind]++;
    t->repaired[f->kind] += f->repaired;
}

static void trouble(void *arg, const char *check UNUSED, const struct error *e UNUSED)
{
    ((struct told *)arg)->troubles++;
}

static struct doctor_options options(struct told *t)
{
    return (struct doctor_options){ .db = w.db,
                                    .stores = w.stores,
                                    .hosts = { .self = "", .place = "" },
                                    .age_us = 86400 * CLOCK_SECOND,
                                    .tell = tell,
                                    .trouble = trouble,
                                    .arg = t };
}

static struct told look(bool repair)
{
    struct told t = { .troubles = 0 };
    struct doctor_options o = options(&t);
    struct doctor_counts n;

    o.repair = repair;
    doctor_run(&o, &n);
    assert_int_equal(n.troubles, t.troubles);
    return t;
}

static int sum(const int counts[FINDING_KINDS])
{
    int n = 0;

    for (int i = 0; i < FINDING_KINDS; i++)
        n += counts[i];
    return n;
}

static const struct {
    enum finding_kind kind;
    int n;
} expected[] = {
    { FINDING_LOCK, 1 },      { FINDING_TASK, 1 },      { FINDING_NOTE, 1 },   { FINDING_SAVING, 1 },
    { FINDING_UPLOADING, 1 }, { FINDING_IMPORTING, 2 }, { FINDING_STAGED, 1 }, { FINDING_ORPHAN, 1 },
};

static void check_damage(const int counts[FINDING_KINDS])
{
    int all = 0;

    for (size_t i = 0; i < COUNT(expected); i++) {
        CHECK_CASE(finding_name(expected[i].kind), counts[expected[i].kind] == expected[i].n);
        all += expected[i].n;
    }
    assert_int_equal(sum(counts), all);
}

static bool file_holds(const char *folder, const char *name, const char *text)
{
    char path[400];

    snprintf(path, sizeof path, "%s/%s/%s", w.dir, folder, name);
    return test_file_holds(path, (const unsigned char *)text, strlen(text));
}

/* The lost object is where it was, or in quarantine. */
static void check_nothing_is_lost(void)
{
    size_t aside = test_dir_count(w.images, ".glint/quarantine", false);

    assert_true(world_active(&w, sound, "the data", 8));
    assert_true(world_active(&w, locked, "the data", 8));
    assert_true(file_holds("staging", staged, "staged"));
    assert_int_equal(aside + file_holds("images", LOST, "lost"), 1);
}

static void each_damage_is_found_and_repaired(void **state UNUSED)
{
    struct told t;

    damage();
    t = look(false);
    check_damage(t.findings);
    assert_int_equal(sum(t.repaired) + t.troubles, 0);
    assert_int_equal(test_dir_count(w.images, ".glint/quarantine", false), 0);
    t = look(true);
    check_damage(t.repaired);
    check_nothing_is_lost();
    assert_int_equal(world_status(&w, saving), IMAGE_QUEUED);
    assert_int_equal(world_status(&w, uploading), IMAGE_QUEUED);
    assert_int_equal(world_status(&w, importing), IMAGE_QUEUED);
    assert_int_equal(world_status(&w, staged), IMAGE_UPLOADING);
    assert_int_equal(sum(look(false).findings), 0);
}

/* ---- with faults ---- */

static void start_again(void)
{
    db_fault_arm(0, ERROR_UNAVAILABLE);
    world_detach(&w);
    test_dir_remove(w.dir);
    assert_int_equal(mkdir(w.dir, 0700), 0);
    world_attach(&w, "sqlite");
    {
        CLEANUP(db_release) struct db_conn *c = NULL;
        struct error e;

        MUST(db_acquire(w.db, DB_WAIT, &c, &e));
        MUST(schema_sync(c, &e));
    }
    stores_swap(false);
    damage();
}

/* The ids outlive the arena. */
static void ids_keep(void)
{
    static char copies[6][UUID_TEXT_MAX];
    const char **ids[] = { &sound, &locked, &saving, &uploading, &importing, &staged };

    for (size_t i = 0; i < COUNT(ids); i++) {
        str_copy(copies[i], UUID_TEXT_MAX, *ids[i]);
        *ids[i] = copies[i];
    }
}

static void the_database_fails_at_every_call(void **state UNUSED)
{
    bool fired = true;

    for (long n = 1; fired; n += n < 40 ? 1 : 7) {
        start_again();
        ids_keep();
        world_detach(&w);
        attach("fault+sqlite");
        db_fault_arm(n, ERROR_UNAVAILABLE);
        look(true);
        fired = db_fault_fired();
        db_fault_arm(0, ERROR_UNAVAILABLE);
        world_detach(&w);
        attach("sqlite");
        check_nothing_is_lost();
        look(true);
        check_nothing_is_lost();
        assert_int_equal(sum(look(false).findings), 0);
    }
}

static void the_store_fails_at_every_call(void **state UNUSED)
{
    for (int partial = 0; partial < 2; partial++) {
        bool fired = true;

        for (long n = 1; fired; n++) {
            struct told t;

            start_again();
            store_fault_wrap(world_store(&w));
            store_fault_arm(n, ERROR_UNAVAILABLE, partial);
            t = look(true);
            fired = store_fault_fired();
            store_fault_arm(0, ERROR_UNAVAILABLE, false);
            assert_int_equal(fired, t.troubles + t.findings[FINDING_UNREADABLE] + t.findings[FINDING_ORPHAN] -
                                            t.repaired[FINDING_ORPHAN] >
                                        0);
            check_nothing_is_lost();
            look(true);
            check_nothing_is_lost();
            assert_int_equal(sum(look(false).findings), 0);
        }
    }
}

/* ---- the rest ---- */

static void any_store_that_lists(void **state UNUSED)
{
    struct store_location loc;
    struct told t = { .troubles = 0 };
    struct doctor_options o;
    struct doctor_counts n;
    struct error e;

    stores_swap(true);
    MUST(test_put(world_store(&w), LOST, -1, "lost", 4, &loc, &e));
    assert_int_equal(sum(look(true).findings), 0); /* it is new */
    o = options(&t);
    o.age_us = 0;
    o.repair = true;
    doctor_run(&o, &n);
    assert_int_equal(t.repaired[FINDING_ORPHAN], 1);
    assert_int_equal(sum(t.findings), 1);
    assert_false(test_holds(world_store(&w), loc.url, "lost", 4));
}

static void hashes_are_read_at_the_rate(void **state UNUSED)
{
    struct told t = { .troubles = 0 };
    struct doctor_options o;
    struct doctor_counts n;
    unsigned char *data = world_data(3000000, 1);
    struct stream_memory m = { data, 3000000, 0 };
    struct stream_source body = stream_memory_source(&m);
    struct upload_options up = world_options(&w);
    const char *id = world_image(&w, "raw");
    struct error e;
    int64_t started;
    char path[400];
    int fd;

    MUST(world_upload(&w, id, &up, &body, &e));
    free(data);
    o = options(&t);
    o.hash = true;
    o.rate = 6000000;
    started = clock_mono_us();
    doctor_run(&o, &n);
    assert_int_equal(sum(t.findings), 0);
    assert_int_equal(n.copies, 1);
    assert_true(clock_mono_us() - started >= CLOCK_SECOND / 3);
    snprintf(path, sizeof path, "%s/%s", w.images, id);
    fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "!!", 2, 1000000), 2);
    close(fd);
    o.rate = 0;
    doctor_run(&o, &n);
    assert_int_equal(t.findings[FINDING_HASH], 1);
    assert_int_equal(sum(t.findings), 1);
}

/* More than a page of everything, so that pages join. */
static void many_of_a_kind(void **state UNUSED)
{
    struct told t;

    world_sql(&w,
              "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 450) "
              "INSERT INTO images (id, status, visibility, size, min_disk, min_ram, protected, os_hidden, "
              "created_at, updated_at, deleted) SELECT printf('00000000-0000-4000-8000-%012d', i), "
              "CASE WHEN i % 3 THEN 'active' ELSE 'saving' END, 'shared', 1, 0, 0, 0, 0, '2026-01-01', "
              "'2026-01-01', 0 FROM n; INSERT INTO image_locations (image_id, value, status, created_at, "
              "deleted) SELECT id, 'file:///nowhere/' || id, 'active', '2026-01-01', 0 FROM images "
              "WHERE status = 'active'");
    t = look(false);
    assert_int_equal(t.findings[FINDING_SAVING], 150);
    assert_int_equal(t.findings[FINDING_MISSING], 300);
    t = look(true);
    assert_int_equal(t.repaired[FINDING_SAVING], 150);
    assert_int_equal(sum(look(false).findings), 300);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(each_damage_is_found_and_repaired), T(the_database_fails_at_every_call),
        T(the_store_fails_at_every_call),     T(any_store_that_lists),
        T(hashes_are_read_at_the_rate),       T(many_of_a_kind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
