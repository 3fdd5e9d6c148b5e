/* SPDX-License-Identifier: Apache-2.0 */
/* The n-th call of the database or a store fails while an import runs, or while it is undone, n = 1, 2, 3…
 * until the work passes. Whoever takes the job next brings it to its end: the image active with its data in
 * each store, or as it can be imported again, and nothing left behind. */
#include "db/driver.h"
#include "unit/transfer/setup.h"

#include <sys/stat.h>

#include "imports/import.h"

enum { SIZE = 100000 };

static struct world w;
static unsigned char *data; /* what is in the stores in the end */
static struct {
    const void *bytes;
    size_t n;
    const char *disk_format;
} client; /* what is staged */
static struct import_settings settings;
static const _Atomic bool never;
static const char *const names[] = { "fast", "slow" };

static void disarm(void)
{
    db_fault_arm(0, ERROR_UNAVAILABLE);
    store_fault_arm(0, ERROR_UNAVAILABLE, false);
}

static struct stores *two_stores(void)
{
    char pairs[4][200];
    const char *const all[] = { "DEFAULT.enabled_backends=fast:file,slow:file",
                                "DEFAULT.enabled_import_methods=[glance-direct]",
                                "glance_store.default_backend=fast",
                                pairs[0],
                                pairs[1],
                                pairs[2],
                                NULL };
    struct stores *s;
    struct error e;

    snprintf(pairs[0], sizeof pairs[0], "fast.filesystem_store_datadir=%s/fast", w.dir);
    snprintf(pairs[1], sizeof pairs[1], "slow.filesystem_store_datadir=%s/slow", w.dir);
    snprintf(pairs[2], sizeof pairs[2], "DEFAULT.node_staging_uri=file://%s/staging", w.dir);
    MUST(test_stores_open(all, &s, &e));
    return s;
}

static int setup(void **state UNUSED)
{
    disarm();
    world_open(&w, "fault+sqlite");
    stores_close(w.stores);
    w.stores = two_stores();
    for (size_t i = 0; i < COUNT(names); i++)
        store_fault_wrap(stores_by_id(w.stores, names[i]));
    settings = (struct import_settings){
        .staging_dir = stores_staging_dir(w.stores),
        .hosts = { .self = "", .place = "" },
        .hashing_algorithm = "sha512",
        .size_cap = 1ull << 40,
        .inspect = { .require_match = true },
        .max_parallel_stores = 1,
        .task_hours = 48,
    };
    data = world_data(SIZE, 3);
    client.bytes = data;
    client.n = SIZE;
    client.disk_format = "raw";
    log_level_set(LOG_OFF);
    return 0;
}

static int teardown(void **state UNUSED)
{
    disarm();
    log_level_set(LOG_INFO);
    world_close(&w);
    free(data);
    return 0;
}

/* ---- an image with staged data, and its job ---- */

static const char *staged_image(void)
{
    const char *id = world_image(&w, client.disk_format);
    struct stream_memory m = { .data = client.bytes, .len = client.n };
    struct stream_source src = stream_memory_source(&m);
    struct upload_options o = world_options(&w);
    struct error e;

    o.store = stores_staging(w.stores);
    o.stage = true;
    o.stage_dir = stores_staging_dir(w.stores);
    o.stage_host = "";
    MUST(world_upload(&w, id, &o, &src, &e));
    return id;
}

static void accept_import(const char *id, bool must_succeed)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    CLEANUP(json_drop) json_t *body = json_pack("{s:{s:s}}", "method", "name", "glance-direct");
    struct import_request q = { .image = world_load(&w, w.arena, id),
                                .method = "glance-direct",
                                .body = body,
                                .stores = names,
                                .n_stores = COUNT(names),
                                .several = true,
                                .must_succeed = must_succeed,
                                .owner = "project" };
    char job_id[UUID_TEXT_MAX];
    struct error e;

    MUST(db_acquire(w.db, DB_WAIT, &c, &e));
    MUST(db_begin_write(c, &e));
    MUST(import_job_add(c, w.arena, &q, job_id, &e));
    MUST(db_commit(c, &e));
}

/* The one job that is not over; false: there is none. As a new worker takes it from a dead one. */
static bool job_take_any(struct job_run *r, const struct jobs_options *o)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    const char *id = image_property_get(world_load(&w, w.arena, r->job->image_id), IMAGE_LOCK);
    struct error e;

    if (!id)
        return false;
    *r = (struct job_run){ .o = o, .stop = &never, .arena = w.arena, .renewed_us = clock_mono_us() };
    holder_make(r->holder);
    MUST(db_acquire(w.db, DB_WAIT, &c, &e));
    MUST(job_load(c, w.arena, id, &r->job, &e));
    MUST(job_take(c, r->job, r->holder, lease_expiry(), &e));
    MUST(job_load(c, w.arena, id, &r->job, &e));
    return true;
}

/* ---- what must hold in the end ---- */

static size_t files_in(const char *name)
{
    return test_dir_count(arena_printf(w.arena, "%s/%s", w.dir, name), "", false) +
           test_dir_count(arena_printf(w.arena, "%s/%s", w.dir, name), ".glint", true);
}

static int64_t number(const char *sql)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    struct db_stmt *s;
    struct error e;
    int64_t n;

    MUST(db_acquire(w.db, DB_WAIT, &c, &e));
    MUST(db_prepare(c, sql, &s, &e));
    assert_int_equal(db_step(s, &e), 1);
    n = db_int(s, 0);
    db_reset(s);
    return n;
}

static void nothing_is_left(const char *id)
{
    world_reap(&w);
    assert_null(image_property_get(world_load(&w, w.arena, id), IMAGE_LOCK));
    assert_int_equal(number("SELECT COUNT(*) FROM glint_job_notes WHERE name LIKE '%:%'"), 0);
    assert_int_equal(number("SELECT COUNT(*) FROM glint_jobs WHERE state IN ('waiting', 'running')"), 0);
    assert_int_equal(number("SELECT COUNT(*) FROM tasks WHERE status IN ('pending', 'processing')"), 0);
    assert_int_equal(world_trash(&w), 0);
}

static void is_imported(const char *id)
{
    const struct image *im = world_load(&w, w.arena, id);

    nothing_is_left(id);
    assert_int_equal(im->status, IMAGE_ACTIVE);
    assert_string_equal(im->disk_format, "raw");
    if (settings.n_plugins > 0)
        assert_string_equal(image_property_get(im, "from_import"), "yes");
    assert_int_equal(im->n_locations, COUNT(names));
    for (size_t i = 0; i < im->n_locations; i++)
        assert_true(test_holds(stores_by_id(w.stores, names[i]), im->locations[i].url, data, SIZE));
    assert_int_equal(files_in("fast") + files_in("slow"), 2);
    assert_int_equal(files_in("staging"), 0);
}

static void is_staged(const char *id)
{
    nothing_is_left(id);
    assert_int_equal(world_status(&w, id), IMAGE_UPLOADING);
    assert_int_equal(world_load(&w, w.arena, id)->size, SIZE);
    assert_int_equal(files_in("fast") + files_in("slow"), 0);
    assert_int_equal(files_in("staging"), 1);
}

static void remove_it(const char *id)
{
    struct error e;

    MUST(image_remove(w.db, w.stores, world_load(&w, w.arena, id), NULL, NULL, &e));
    assert_int_equal(files_in("fast") + files_in("slow") + files_in("staging"), 0);
}

/* ---- the tests ---- */

static struct jobs_options options(void)
{
    return (struct jobs_options){ .db = w.db,
                                  .stores = w.stores,
                                  .retries = 3,
                                  .kinds = import_job_kinds,
                                  .settings = &settings,
                                  .task_hours = settings.task_hours };
}

/* The worker dies where a call fails. Returns whether one did. */
static bool import_with(long db, long store, bool partial)
{
    const struct jobs_options o = options();
    struct job first = { .image_id = staged_image() };
    struct job_run r = { .job = &first };
    const char *id = first.image_id;
    bool fired, done;
    struct error e;

    accept_import(id, true);
    assert_true(job_take_any(&r, &o));
    db_fault_arm(db, ERROR_UNAVAILABLE);
    store_fault_arm(store, ERROR_UNAVAILABLE, partial);
    done = job_import.run(&r, &e) == 0;
    fired = db_fault_fired() || store_fault_fired();
    disarm();
    if (done)
        is_imported(id);
    while (job_take_any(&r, &o))
        if (job_import.run(&r, &e) < 0)
            fail_msg("db %ld store %ld: %s (%s)", db, store, e.message, e.detail);
    is_imported(id);
    remove_it(id);
    return fired;
}

static void each_database_call_of_an_import_fails(void **state UNUSED)
{
    for (int parallel = 1; parallel < 3; parallel++) {
        long n = 1;

        settings.max_parallel_stores = parallel;
        while (import_with(n, 0, false))
            n++;
        assert_true(n > 40);
    }
    settings.max_parallel_stores = 1;
}

/* ---- commits ---- */

static long commits(void)
{
    static const char line[] = "glint_db_seconds_count{operation=\"commit\"} ";
    CLEANUP(str_done) struct str out = STR_INIT;
    const char *at;

    metrics_write(&out);
    at = strstr(str_text(&out), line);
    assert_non_null(at);
    return strtol(at + strlen(line), NULL, 10);
}

/* Of the job alone: staging and accepting come before, checking after. */
static long commits_of_import(void)
{
    const struct jobs_options o = options();
    struct job first = { .image_id = staged_image() };
    struct job_run r = { .job = &first };
    const char *id = first.image_id;
    struct error e;
    long before;

    accept_import(id, true);
    assert_true(job_take_any(&r, &o));
    before = commits();
    MUST(job_import.run(&r, &e));
    before = commits() - before;
    is_imported(id);
    remove_it(id);
    return before;
}

/* begun; of each store a note before the object and the rows with it, the last of them with the step's end;
 * finished. */
static void an_import_commits_each_step_once(void **state UNUSED)
{
    assert_int_equal(commits_of_import(), 1 + 2 * COUNT(names) + 1);
}

static void each_store_call_of_an_import_fails(void **state UNUSED)
{
    for (int partial = 0; partial < 2; partial++) {
        long n = 1;

        while (import_with(0, n, partial))
            n++;
        assert_true(n > 4);
    }
}

/* The second store refuses; undoing it dies where a call fails, and is done again. */
static bool undo_with(long db, long store)
{
    const struct jobs_options o = options();
    struct job first = { .image_id = staged_image() };
    struct job_run r = { .job = &first };
    const char *id = first.image_id;
    struct error why, e;
    bool fired;

    test_file_sparse(arena_printf(w.arena, "%s/slow/%s", w.dir, id), data, 1);
    accept_import(id, true);
    assert_true(job_take_any(&r, &o));
    assert_int_equal(job_import.run(&r, &why), -1);
    db_fault_arm(db, ERROR_UNAVAILABLE);
    store_fault_arm(store, ERROR_UNAVAILABLE, false);
    if (job_import.give_up(&r, &why, &e) < 0)
        assert_int_equal(e.kind, ERROR_UNAVAILABLE);
    fired = db_fault_fired() || store_fault_fired();
    disarm();
    while (job_take_any(&r, &o))
        MUST(job_import.give_up(&r, &why, &e));
    unlink(arena_printf(w.arena, "%s/slow/%s", w.dir, id));
    world_sql(&w, "UPDATE glint_trash SET created_at = '2020-01-01 00:00:00'");
    is_staged(id);
    remove_it(id);
    return fired;
}

static void each_call_of_undoing_fails(void **state UNUSED)
{
    long n;

    for (n = 1; undo_with(n, 0); n++)
        continue;
    assert_true(n > 15);
    for (n = 1; undo_with(0, n); n++)
        continue;
}

/* ---- plugins ---- */

/* The head of a qcow2 of 1 MiB, as gzip data. */
static const uint8_t packed[] = {
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0x0b, 0x74, 0xf3, 0xfc, 0xcd, 0xc0, 0xc0,
    0xc0, 0xc4, 0x80, 0x0a, 0x04, 0x90, 0x48, 0x10, 0x60, 0x04, 0x93, 0xcc, 0x28, 0x3c, 0x46, 0x86, 0x51,
    0x30, 0x0a, 0x46, 0xc1, 0x28, 0x00, 0x02, 0x00, 0xac, 0xc5, 0xb9, 0xf1, 0x48, 0x04, 0x00, 0x00,
};

/* Stands for the helper: what it is asked for is the ninth of its arguments, the output the last. */
static const char fake_helper[] =
    "#!/bin/sh\n"
    "if [ \"$9\" = info ]; then echo '{\"format\": \"qcow2\", \"virtual-size\": 1048576}'; exit; fi\n"
    "for out; do :; done\n"
    "cat \"$(dirname \"$0\")/made\" > \"$out\"\n";

static void file_write(const char *name, const void *bytes, size_t n, mode_t mode)
{
    const char *path = arena_printf(w.arena, "%s/%s", w.dir, name);
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
}

/* qcow2 data that were compressed, and qemu-img that makes these bytes of them. */
static void plugins_setup(const struct import_plugin *const *order, size_t n, const void *made, size_t n_made)
{
    static const char *const formats[] = { "gzip", "zip" };
    static const char *const inject[] = { "from_import:yes" };

    client.bytes = packed;
    client.n = sizeof packed;
    client.disk_format = "qcow2";
    file_write("helper", fake_helper, strlen(fake_helper), 0755);
    file_write("made", made, n_made, 0644);
    settings.plugins = order;
    settings.n_plugins = n;
    settings.plugin = (struct plugin_settings){
        .inject = inject,
        .n_inject = COUNT(inject),
        .unpack = formats,
        .n_unpack = COUNT(formats),
        .unpack_memory = 1 << 20,
        .output_format = "raw",
        .qemu_img = "/usr/bin/qemu-img",
        .program = arena_printf(w.arena, "%s/helper", w.dir),
        .convert_memory = 1 << 30,
        .convert_cpu = 100,
        .convert_timeout = 100,
    };
}

static void plugins_done(void)
{
    settings.n_plugins = 0;
    client.bytes = data;
    client.n = SIZE;
    client.disk_format = "raw";
}

static void each_call_of_plugins_fails(void **state UNUSED)
{
    static const struct import_plugin *const order[] = { &plugin_inject, &plugin_decompress,
                                                         &plugin_convert };
    long n = 1;

    plugins_setup(order, COUNT(order), data, SIZE);
    while (import_with(n, 0, false))
        n++;
    assert_true(n > 60);
    for (n = 1; undo_with(n, 0); n++) /* the converted data stay */
        continue;
    plugins_done();
}

/* Injected properties and decompressed data one each; conversion the formats before its data. */
static void plugins_commit_each_step_once(void **state UNUSED)
{
    static const struct import_plugin *const order[] = { &plugin_inject, &plugin_decompress,
                                                         &plugin_convert };

    plugins_setup(order, COUNT(order), data, SIZE);
    assert_int_equal(commits_of_import(), 1 + (1 + 1 + 2) + 2 * COUNT(names) + 1);
    plugins_done();
}

static int refuse(struct import *im UNUSED, struct error *e)
{
    return error_set(e, ERROR_MEDIA, "Not these.");
}

/* The data go: the image is the one that the client made. */
static bool refused_with(long db)
{
    const struct jobs_options o = options();
    struct job first = { .image_id = staged_image() };
    struct job_run r = { .job = &first };
    const struct image *im;
    struct error why, e;
    bool fired;

    accept_import(first.image_id, true);
    assert_true(job_take_any(&r, &o));
    assert_int_equal(job_import.run(&r, &why), -1);
    assert_int_equal(why.kind, ERROR_MEDIA);
    assert_string_equal(world_load(&w, w.arena, first.image_id)->disk_format, "raw");
    db_fault_arm(db, ERROR_UNAVAILABLE);
    if (job_import.give_up(&r, &why, &e) < 0)
        assert_int_equal(e.kind, ERROR_UNAVAILABLE);
    fired = db_fault_fired();
    disarm();
    while (job_take_any(&r, &o))
        MUST(job_import.give_up(&r, &why, &e));
    nothing_is_left(first.image_id);
    im = world_load(&w, w.arena, first.image_id);
    assert_int_equal(im->status, IMAGE_QUEUED);
    assert_string_equal(im->disk_format, "qcow2");
    assert_int_equal(files_in("staging"), 0);
    remove_it(first.image_id);
    return fired;
}

static void each_call_of_undoing_plugins_fails(void **state UNUSED)
{
    static const struct import_plugin refusing = { .name = "refusing", .run = refuse };
    static const struct import_plugin *const order[] = { &plugin_decompress, &plugin_convert, &refusing };
    long n = 1;

    plugins_setup(order, COUNT(order), data, SIZE);
    while (refused_with(n))
        n++;
    assert_true(n > 10);
    plugins_done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_database_call_of_an_import_fails),
        cmocka_unit_test(an_import_commits_each_step_once),
        cmocka_unit_test(each_store_call_of_an_import_fails),
        cmocka_unit_test(each_call_of_undoing_fails),
        cmocka_unit_test(each_call_of_plugins_fails),
        cmocka_unit_test(plugins_commit_each_step_once),
        cmocka_unit_test(each_call_of_undoing_plugins_fails),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
