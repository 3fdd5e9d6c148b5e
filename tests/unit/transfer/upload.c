/* SPDX-License-Identifier: Apache-2.0 */
#include "db/driver.h"
#include "setup.h"
#include "transfer/lease.h"

#include <pthread.h>

enum { SIZE = 3 * 1024 * 1024 + 17 };

static struct world w;
static unsigned char *data;

static int setup(void **state UNUSED)
{
    world_open(&w, "sqlite");
    data = world_data(SIZE, 1);
    return 0;
}

static int teardown(void **state UNUSED)
{
    world_close(&w);
    free(data);
    return 0;
}

static int upload_all(const char *id, const struct upload_options *o, size_t n, struct error *e)
{
    struct stream_memory m = { .data = data, .len = n, .piece = 100000 };
    struct stream_source src = stream_memory_source(&m);

    return world_upload(&w, id, o, &src, e);
}

/* ---- what goes well ---- */

static const struct {
    const char *name;
    size_t n;
    int64_t declared, quota;
    const char *disk_format;
    bool inspect;
    int64_t virtual_size;
} good[] = {
    { "unknown size", SIZE, -1, 0, "raw", true, SIZE },
    { "announced size", SIZE, SIZE, 0, "raw", true, SIZE },
    { "announced as 0 means unknown", SIZE, 0, 0, "raw", true, SIZE },
    { "nothing at all", 0, -1, 0, "raw", true, -1 },
    { "all of the quota", SIZE, SIZE, SIZE, "raw", true, SIZE },
    { "not inspected", SIZE, -1, 0, "qcow2", false, -1 },
    { "a format that cannot be recognised", SIZE, -1, 0, "ami", true, -1 },
};

static void an_upload_makes_the_image_active(void **state UNUSED)
{
    for (size_t i = 0; i < COUNT(good); i++) {
        const char *id = world_image(&w, good[i].disk_format);
        struct upload_options o = world_options(&w);
        struct error e;

        o.declared_size = good[i].declared;
        o.storage_quota = good[i].quota;
        o.project = "whose quota it is";
        o.inspect = good[i].inspect;
        if (upload_all(id, &o, good[i].n, &e) < 0)
            fail_msg("%s: %s (%s)", good[i].name, e.message, e.detail);
        CHECK_CASE(good[i].name, world_active(&w, id, data, good[i].n));
        CHECK_CASE(good[i].name, world_load(&w, w.arena, id)->virtual_size == good[i].virtual_size);
    }
    assert_int_equal(world_leases(&w), 0);
    assert_int_equal(world_objects(&w), COUNT(good));
    assert_int_equal(world_temporaries(&w), 0);
}

/* ---- what is refused ---- */

static const struct {
    const char *name;
    int64_t declared, quota;
    uint64_t cap, breaks_at;
    const char *disk_format, *algorithm;
    enum error_kind kind;
    const char *message;
} bad[] = {
    { "over the cap", -1, 0, SIZE - 1, UINT64_MAX, "raw", "sha512", ERROR_TOO_LARGE,
      "The incoming image is too large: The provided image is too large." },
    { "over the quota", -1, SIZE - 1, UINT64_MAX, UINT64_MAX, "raw", "sha512", ERROR_TOO_LARGE,
      "Image exceeds the storage quota: The size of the data sent will exceed the limit. 3145744 bytes" },
    { "announced over the quota", SIZE, SIZE - 1, UINT64_MAX, UINT64_MAX, "raw", "sha512", ERROR_TOO_LARGE,
      "Image exceeds the storage quota: The size of the data 3145745 will exceed the limit. 3145744 bytes" },
    { "more than announced", 30, 0, UINT64_MAX, UINT64_MAX, "raw", "sha512", ERROR_INVALID,
      "Size exceeds: expected 30 bytes" },
    { "less than announced", SIZE + 1, 0, UINT64_MAX, UINT64_MAX, "raw", "sha512", ERROR_INVALID,
      "Size mismatch: expected" },
    { "another format", -1, 0, UINT64_MAX, UINT64_MAX, "qcow2", "sha512", ERROR_MEDIA,
      "Image disk_format qcow2 does not match stream data raw" },
    { "the client goes before the first byte", -1, 0, UINT64_MAX, 0, "raw", "sha512", ERROR_ABORTED, NULL },
    { "the client goes later", SIZE, 0, UINT64_MAX, SIZE / 2, "raw", "sha512", ERROR_ABORTED, NULL },
    { "unknown hash", -1, 0, UINT64_MAX, UINT64_MAX, "raw", "crc32", ERROR_INTERNAL, NULL },
};

static void a_refused_upload_leaves_the_image_queued(void **state UNUSED)
{
    for (size_t i = 0; i < COUNT(bad); i++) {
        const char *id = world_image(&w, bad[i].disk_format);
        struct upload_options o = world_options(&w);
        struct stream_memory m = { .data = data, .len = SIZE };
        struct stream_fail_at f = { .source = stream_memory_source(&m),
                                    .at = bad[i].breaks_at,
                                    .kind = ERROR_ABORTED };
        struct stream_source src = stream_fail_at_source(&f);
        struct error e;

        o.declared_size = bad[i].declared;
        o.storage_quota = bad[i].quota;
        o.project = "whose quota it is";
        o.size_cap = bad[i].cap;
        o.hashing_algorithm = bad[i].algorithm;
        CHECK_CASE(bad[i].name, world_upload(&w, id, &o, &src, &e) < 0);
        CHECK_CASE(bad[i].name, e.kind == bad[i].kind);
        CHECK_CASE(bad[i].name, !bad[i].message || str_starts(e.message, bad[i].message));
        CHECK_CASE(bad[i].name, world_queued(&w, id));
        CHECK_CASE(bad[i].name,
                   world_leases(&w) == 0 && world_objects(&w) == 0 && world_temporaries(&w) == 0);

        o = world_options(&w); /* it can be tried again */
        o.inspect = false;
        CHECK_CASE(bad[i].name, upload_all(id, &o, SIZE, &e) == 0 && world_active(&w, id, data, SIZE));
        CHECK_CASE(bad[i].name,
                   image_remove(w.db, w.stores, world_load(&w, w.arena, id), NULL, NULL, &e) == 0);
    }
}

static void an_active_image_takes_no_upload(void **state UNUSED)
{
    const char *id = world_image(&w, "raw");
    struct upload_options o = world_options(&w);
    struct error e;

    assert_int_equal(upload_all(id, &o, SIZE, &e), 0);
    assert_int_equal(upload_all(id, &o, 5, &e), -1);
    assert_int_equal(e.kind, ERROR_CONFLICT);
    assert_string_equal(e.message, "Image status transition from active to saving is not allowed");
    assert_true(world_active(&w, id, data, SIZE));
}

static void an_object_that_nobody_owns_is_our_fault_and_stays(void **state UNUSED)
{
    const char *id = world_image(&w, "raw");
    struct upload_options o = world_options(&w);
    struct store_location loc;
    struct error e;

    MUST(test_put(world_store(&w), id, 7, "foreign", 7, &loc, &e));
    assert_int_equal(upload_all(id, &o, SIZE, &e), -1);
    assert_int_equal(e.kind, ERROR_INTERNAL);
    assert_true(world_queued(&w, id));
    assert_true(test_holds(world_store(&w), loc.url, "foreign", 7));
}

/* ---- what is decided where it is written ---- */

/* Two of one project that announce no size: both begin, and the second to end is refused. */
static void uploads_at_once_stay_within_the_quota(void **state UNUSED)
{
    const char *ids[] = { world_image(&w, "raw"), world_image(&w, "raw") };
    struct upload *up[COUNT(ids)] = { NULL };
    struct upload_options o = world_options(&w);
    struct error e;

    o.project = "project";
    o.storage_quota = 2 * SIZE - 1;
    for (size_t i = 0; i < COUNT(ids); i++) {
        struct stream_memory m = { .data = data, .len = SIZE };
        struct stream_source src = stream_memory_source(&m);

        MUST(upload_begin(w.arena, world_load(&w, w.arena, ids[i]), &o, &up[i], &e));
        MUST(upload_pump(up[i], &src, &e));
    }
    MUST(upload_commit(&up[0], &e));
    assert_int_equal(upload_commit(&up[1], &e), -1);
    assert_int_equal(e.kind, ERROR_TOO_LARGE);
    upload_abort(&up[1]);
    assert_true(world_active(&w, ids[0], data, SIZE));
    assert_true(world_queued(&w, ids[1]));
    assert_int_equal(world_leases(&w) + world_trash(&w) + world_temporaries(&w), 0);
    assert_int_equal(world_objects(&w), 1);
}

/* An announced size counts from the beginning on: the other one is told before it sends anything. */
static void an_announced_size_counts_at_once(void **state UNUSED)
{
    const char *first = world_image(&w, "raw"), *second = world_image(&w, "raw");
    struct upload_options o = world_options(&w);
    struct upload *one = NULL, *two = NULL;
    struct error e;

    o.project = "project";
    o.storage_quota = 2 * SIZE - 1;
    o.declared_size = SIZE;
    MUST(upload_begin(w.arena, world_load(&w, w.arena, first), &o, &one, &e));
    assert_int_equal(upload_begin(w.arena, world_load(&w, w.arena, second), &o, &two, &e), -1);
    assert_int_equal(e.kind, ERROR_TOO_LARGE);
    assert_true(world_queued(&w, second));
    upload_abort(&one);
    assert_true(world_queued(&w, first));
    MUST(upload_begin(w.arena, world_load(&w, w.arena, second), &o, &two, &e));
    upload_abort(&two);
    assert_int_equal(world_leases(&w) + world_objects(&w) + world_temporaries(&w), 0);
}

static const struct {
    const char *name, *disk_format, *container_format, *change;
    bool inspect;
    enum error_kind kind;
} changed[] = {
    { "another disk format", "raw", "bare", "disk_format = 'qcow2'", true, ERROR_MEDIA },
    { "the right disk format", "qcow2", "bare", "disk_format = 'raw'", true, ERROR_MEDIA },
    { "a container whose data are inspected", "qcow2", "ova", "container_format = 'bare'", false,
      ERROR_CONFLICT },
    { "no disk format", "raw", "bare", "disk_format = NULL", true, ERROR_INVALID },
    { "no container format", "raw", "bare", "container_format = NULL", true, ERROR_INVALID },
    { "a container whose data are not inspected", "raw", "bare", "container_format = 'ova'", true,
      ERROR_NONE },
    { "another name", "raw", "bare", "name = 'other'", true, ERROR_NONE },
};

/* Between the moment at which a request looks at the image and the one from which on its formats are fixed.
 */
static void data_are_judged_by_the_formats_of_the_row(void **state UNUSED)
{
    for (size_t i = 0; i < COUNT(changed); i++) {
        const char *id = world_image(&w, changed[i].disk_format);
        struct upload_options o = world_options(&w);
        struct stream_memory m = { .data = data, .len = SIZE };
        struct stream_source src = stream_memory_source(&m);
        struct upload *up = NULL;
        struct image *seen;
        struct error e;
        int result = -1;

        error_clear(&e);
        world_sql(&w, arena_printf(w.arena, "UPDATE images SET container_format = '%s' WHERE id = '%s'",
                                   changed[i].container_format, id));
        seen = world_load(&w, w.arena, id);
        world_sql(&w, arena_printf(w.arena, "UPDATE images SET %s WHERE id = '%s'", changed[i].change, id));
        o.inspect = changed[i].inspect;
        MUST(upload_begin(w.arena, seen, &o, &up, &e));
        if (upload_pump(up, &src, &e) == 0)
            result = upload_commit(&up, &e);
        upload_abort(&up);
        CHECK_CASE(changed[i].name, (result == 0) == (changed[i].kind == ERROR_NONE));
        CHECK_CASE(changed[i].name, result == 0 || e.kind == changed[i].kind);
        CHECK_CASE(changed[i].name, result == 0 ? world_active(&w, id, data, SIZE) : world_queued(&w, id));
    }
    assert_int_equal(world_leases(&w) + world_trash(&w) + world_temporaries(&w), 0);
}

/* ---- while bytes move ---- */

/* A source that does something once, in the middle. */
struct meddler {
    struct stream_memory m;
    const char *id;
    void (*meddle)(const char *id);
    bool done;
};

static ssize_t meddler_read(void *arg, void *buf, size_t n, struct error *e)
{
    struct meddler *s = arg;
    struct stream_source src = stream_memory_source(&s->m);

    if (s->m.at > SIZE / 2 && !s->done) {
        s->done = true;
        s->meddle(s->id);
    }
    return src.read(src.arg, buf, n, e);
}

static int upload_meddled(const char *id, void (*meddle)(const char *), struct error *e)
{
    struct meddler s = { .m = { .data = data, .len = SIZE, .piece = 100000 }, .id = id, .meddle = meddle };
    struct stream_source src = { meddler_read, &s };
    struct upload_options o = world_options(&w);

    return world_upload(&w, id, &o, &src, e);
}

static void change_properties(const char *id)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    struct image *im;
    struct error e;

    MUST(db_acquire(w.db, DB_WAIT, &c, &e));
    MUST(db_begin_write(c, &e));
    MUST(image_load_any(c, w.arena, id, &im, &e));
    assert_int_equal(im->status, IMAGE_SAVING);
    image_property_set(w.arena, im, "colour", "blue");
    im->name = "renamed";
    MUST(image_save(c, im, IMAGE_SAVING, &e));
    MUST(db_commit(c, &e));
}

static void changes_made_meanwhile_are_kept(void **state UNUSED)
{
    const char *id = world_image(&w, "raw");
    struct image *im;
    struct error e;

    MUST(upload_meddled(id, change_properties, &e));
    im = world_load(&w, w.arena, id);
    assert_string_equal(im->name, "renamed");
    assert_string_equal(image_property_get(im, "colour"), "blue");
    assert_true(world_active(&w, id, data, SIZE));
}

static void delete_it(const char *id)
{
    struct error e;

    MUST(image_remove(w.db, w.stores, world_load(&w, w.arena, id), NULL, NULL, &e));
}

static void an_image_deleted_meanwhile_is_gone(void **state UNUSED)
{
    const char *id = world_image(&w, "raw");
    char text[300];
    struct error e;

    assert_int_equal(upload_meddled(id, delete_it, &e), -1);
    assert_int_equal(e.kind, ERROR_GONE);
    snprintf(text, sizeof text,
             "Image %s could not be found after upload. The image may have been deleted during the "
             "upload, cleaning up the chunks uploaded.",
             id);
    assert_string_equal(e.message, text);
    assert_int_equal(world_status(&w, id), IMAGE_DELETED);
    assert_int_equal(world_leases(&w) + world_trash(&w) + world_objects(&w) + world_temporaries(&w), 0);
}

/* The slow uploader is given up for dead and another upload takes its place: the slow one changes nothing
 * more. */
static void overtake(const char *id)
{
    struct upload_options o = world_options(&w);
    struct stream_memory m = { .data = data, .len = 1000 };
    struct stream_source src = stream_memory_source(&m);
    struct error e;

    world_sql(&w, "UPDATE glint_leases SET expires_at = 0");
    assert_int_equal(world_reap(&w).uploads, 1);
    assert_true(world_queued(&w, id));
    MUST(world_upload(&w, id, &o, &src, &e));
}

static void whoever_lost_the_lease_changes_nothing(void **state UNUSED)
{
    const char *id = world_image(&w, "raw");
    struct error e;

    assert_int_equal(upload_meddled(id, overtake, &e), -1);
    assert_int_equal(e.kind, ERROR_GONE);
    assert_true(world_active(&w, id, data, 1000));
    assert_int_equal(world_leases(&w), 0);
    assert_int_equal(world_objects(&w), 1);
    assert_int_equal(world_temporaries(&w), 0);
}

/* As overtake(), but the other upload is still under way when the slow one wants to publish. */
static struct upload *other;

static void overtake_slowly(const char *id)
{
    struct upload_options o = world_options(&w);
    struct stream_memory m = { .data = data, .len = 1000 };
    struct stream_source src = stream_memory_source(&m);
    struct error e;

    world_sql(&w, "UPDATE glint_leases SET expires_at = 0");
    assert_int_equal(world_reap(&w).uploads, 1);
    MUST(upload_begin(w.arena, world_load(&w, w.arena, id), &o, &other, &e));
    MUST(upload_pump(other, &src, &e));
}

static void nobody_takes_anothers_lease_for_his_own(void **state UNUSED)
{
    const char *id = world_image(&w, "raw");
    struct error e;

    assert_int_equal(upload_meddled(id, overtake_slowly, &e), -1);
    assert_int_equal(e.kind, ERROR_GONE);
    assert_int_equal(world_status(&w, id), IMAGE_SAVING);
    assert_int_equal(world_leases(&w), 1);
    MUST(upload_commit(&other, &e));
    assert_null(other);
    assert_true(world_active(&w, id, data, 1000));
}

/* A store that cannot undo what it committed. */
static const struct store_driver *sane;

static int clumsy_commit(struct store_put *p, struct store_location *ret, struct error *e)
{
    if (sane->put_commit(p, ret, e) < 0)
        return -1;
    return error_set(e, ERROR_UNAVAILABLE, "the answer was lost");
}

static void clumsy_abort(struct store_put *p)
{
    sane->put_done(p);
}

static void data_that_cannot_be_removed_is_not_forgotten(void **state UNUSED)
{
    const char *id = world_image(&w, "raw");
    struct upload_options o = world_options(&w);
    struct store *s = world_store(&w);
    struct store_driver clumsy = *s->driver;
    struct error e;

    sane = s->driver;
    clumsy.put_commit = clumsy_commit;
    clumsy.put_abort = clumsy_abort;
    s->driver = &clumsy;
    assert_int_equal(upload_all(id, &o, SIZE, &e), -1);
    s->driver = sane;
    assert_int_equal(e.kind, ERROR_UNAVAILABLE);
    assert_int_equal(world_status(&w, id), IMAGE_SAVING);
    assert_int_equal(world_leases(&w), 1);
    world_sql(&w, "UPDATE glint_leases SET expires_at = 0");
    assert_int_equal(world_reap(&w).objects, 1);
    assert_true(world_queued(&w, id));
    assert_int_equal(world_leases(&w) + world_objects(&w), 0);
}

static void reap_only(const char *id UNUSED)
{
    struct upkeep_counts n = world_reap(&w);

    assert_int_equal(n.uploads + n.objects + n.files, 0);
}

static void the_reaper_leaves_live_uploads_alone(void **state UNUSED)
{
    const char *id = world_image(&w, "raw");
    struct error e;

    MUST(upload_meddled(id, reap_only, &e));
    assert_true(world_active(&w, id, data, SIZE));
}

static int64_t lease_end(void)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    struct lease *l;
    size_t n;
    struct error e;

    MUST(db_acquire(w.db, DB_WAIT, &c, &e));
    MUST(lease_list(c, w.arena, &l, &n, &e));
    assert_int_equal(n, 1);
    return l[0].expires_us;
}

static void delete_and_wait(const char *id)
{
    delete_it(id);
    usleep((LEASE_RENEW_SECONDS * 1000 + 100) * 1000);
}

/* Renewing also tells that nobody waits for the image any more. */
static void a_long_upload_renews_its_lease_on_the_way(void **state UNUSED)
{
    CLEANUP(upload_abort) struct upload *up = NULL;
    struct meddler s = { .m = { .data = data, .len = SIZE, .piece = 100000 },
                         .id = world_image(&w, "raw"),
                         .meddle = delete_and_wait };
    struct stream_source src = { meddler_read, &s };
    struct upload_options o = world_options(&w);
    int64_t before;
    struct error e;

    MUST(upload_begin(w.arena, world_load(&w, w.arena, s.id), &o, &up, &e));
    before = lease_end();
    assert_true(before > clock_now_us() + (LEASE_SECONDS - 5) * CLOCK_SECOND);
    assert_int_equal(upload_pump(up, &src, &e), -1);
    assert_int_equal(e.kind, ERROR_GONE);
    assert_true(s.done && s.m.at < SIZE);
    assert_true(lease_end() >= before + LEASE_RENEW_SECONDS * CLOCK_SECOND);
    upload_abort(&up);
    assert_int_equal(world_leases(&w) + world_trash(&w) + world_objects(&w) + world_temporaries(&w), 0);
}

/* ---- races ---- */

enum { RIVALS = 6, ROUNDS = 8 };

struct rival {
    const char *id;
    pthread_barrier_t *start;
    size_t n;
    int result;
    struct error e;
};

static void *upload_rival(void *arg)
{
    struct rival *r = arg;
    struct arena *a = arena_make(4096);
    CLEANUP(upload_abort) struct upload *up = NULL;
    struct stream_memory m = { .data = data, .len = r->n };
    struct stream_source src = stream_memory_source(&m);
    struct upload_options o = world_options(&w);
    struct image im = { .id = r->id, .disk_format = "raw" };

    pthread_barrier_wait(r->start);
    r->result = upload_begin(a, &im, &o, &up, &r->e) < 0 || upload_pump(up, &src, &r->e) < 0 ||
                        upload_commit(&up, &r->e) < 0
                    ? -1
                    : 0;
    upload_abort(&up);
    arena_free(a);
    return NULL;
}

static void of_many_uploads_one_wins(void **state UNUSED)
{
    for (int round = 0; round < ROUNDS; round++) {
        const char *id = world_image(&w, "raw");
        struct rival rivals[RIVALS];
        pthread_t threads[RIVALS];
        pthread_barrier_t start;
        int winner = -1;

        pthread_barrier_init(&start, NULL, RIVALS);
        for (int i = 0; i < RIVALS; i++) {
            rivals[i] = (struct rival){ .id = id, .start = &start, .n = SIZE / 2 + (size_t)i };
            assert_int_equal(pthread_create(&threads[i], NULL, upload_rival, &rivals[i]), 0);
        }
        for (int i = 0; i < RIVALS; i++) {
            pthread_join(threads[i], NULL);
            if (rivals[i].result == 0) {
                assert_int_equal(winner, -1);
                winner = i;
            } else if (rivals[i].e.kind != ERROR_CONFLICT) {
                fail_msg("loser: %s (%s)", rivals[i].e.message, rivals[i].e.detail);
            }
        }
        pthread_barrier_destroy(&start);
        assert_int_not_equal(winner, -1);
        assert_true(world_active(&w, id, data, rivals[winner].n));
    }
    assert_int_equal(world_leases(&w), 0);
    assert_int_equal(world_objects(&w), ROUNDS);
    assert_int_equal(world_temporaries(&w), 0);
}

static void delete_and_upload_race_to_a_clean_end(void **state UNUSED)
{
    for (int round = 0; round < 3 * ROUNDS; round++) {
        const char *id = world_image(&w, "raw");
        pthread_barrier_t start;
        struct rival r = { .id = id, .start = &start, .n = 1 + (size_t)(round % 5) * (SIZE / 5) };
        pthread_t thread;
        struct image *im = world_load(&w, w.arena, id);
        struct error e;

        pthread_barrier_init(&start, NULL, 2);
        assert_int_equal(pthread_create(&thread, NULL, upload_rival, &r), 0);
        pthread_barrier_wait(&start);
        usleep((useconds_t)(round * 997 % 20000));
        MUST(image_remove(w.db, w.stores, im, NULL, NULL, &e));
        pthread_join(thread, NULL);
        pthread_barrier_destroy(&start);
        if (r.result < 0 && r.e.kind != ERROR_GONE && r.e.kind != ERROR_CONFLICT &&
            r.e.kind != ERROR_NOT_FOUND)
            fail_msg("uploader: %s (%s)", r.e.message, r.e.detail);
        assert_int_equal(world_status(&w, id), IMAGE_DELETED);
        assert_int_equal(world_leases(&w) + world_trash(&w) + world_objects(&w) + world_temporaries(&w), 0);
    }
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_upload_makes_the_image_active),
        T(a_refused_upload_leaves_the_image_queued),
        T(an_active_image_takes_no_upload),
        T(uploads_at_once_stay_within_the_quota),
        T(an_announced_size_counts_at_once),
        T(data_are_judged_by_the_formats_of_the_row),
        T(an_object_that_nobody_owns_is_our_fault_and_stays),
        T(changes_made_meanwhile_are_kept),
        T(an_image_deleted_meanwhile_is_gone),
        T(whoever_lost_the_lease_changes_nothing),
        T(nobody_takes_anothers_lease_for_his_own),
        T(data_that_cannot_be_removed_is_not_forgotten),
        T(the_reaper_leaves_live_uploads_alone),
        T(a_long_upload_renews_its_lease_on_the_way),
        T(of_many_uploads_one_wins),
        T(delete_and_upload_race_to_a_clean_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
