/* SPDX-License-Identifier: Apache-2.0 */
/* The n-th call of the database or the store fails, n = 1, 2, 3… until the work passes; what cleans up after
 * the failure fails too, at its m-th call. Whatever is left, one quiet round of the reaper puts right. */
#include "db/driver.h"
#include "unit/transfer/setup.h"

enum { SIZE = 2 * STREAM_BUFFER + 5 };

static struct world w;
static unsigned char *data;

static void disarm(void)
{
    db_fault_arm(0, ERROR_UNAVAILABLE);
    store_fault_arm(0, ERROR_UNAVAILABLE, false);
}

static int setup(void **state UNUSED)
{
    disarm();
    world_open(&w, "fault+sqlite");
    store_fault_wrap(world_store(&w));
    data = world_data(SIZE, 7);
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

/* What fails first, and what fails while that is cleaned up. */
struct plan {
    long db, store;             /* the n-th call of the work */
    bool partial;               /* of the store: it happened, the answer is lost */
    long db_after, store_after; /* the m-th call of the cleaning */
};

static int upload(const char *id, const struct plan *p, bool *ret_fired, struct error *e)
{
    struct stream_memory m = { .data = data, .len = SIZE };
    struct stream_source src = stream_memory_source(&m);
    struct upload_options o = world_options(&w);
    struct arena *a = arena_make(4096);
    struct image *im = world_load(&w, a, id);
    struct upload *up = NULL;
    int r;

    db_fault_arm(p->db, ERROR_UNAVAILABLE);
    store_fault_arm(p->store, ERROR_UNAVAILABLE, p->partial);
    r = upload_begin(a, im, &o, &up, e);
    if (r == 0)
        r = upload_pump(up, &src, e);
    if (r == 0)
        r = upload_commit(&up, e);
    *ret_fired = db_fault_fired() || store_fault_fired();
    if (r < 0) {
        db_fault_arm(p->db_after, ERROR_UNAVAILABLE);
        store_fault_arm(p->store_after, ERROR_UNAVAILABLE, false);
        upload_abort(&up);
        if (p->db_after || p->store_after)
            *ret_fired = db_fault_fired() || store_fault_fired();
    }
    disarm();
    arena_free(a);
    return r;
}

static void settle_world(void)
{
    world_sql(&w, "UPDATE glint_leases SET expires_at = 0");
    world_reap(&w);
    assert_int_equal(world_leases(&w) + world_trash(&w) + world_temporaries(&w), 0);
}

static void remove_image(const char *id)
{
    struct error e;

    MUST(image_remove(w.db, w.stores, world_load(&w, w.arena, id), NULL, NULL, &e));
    assert_int_equal(world_objects(&w), 0);
}

/* One upload by plan; false when nothing of the plan struck. */
static bool try_upload(const struct plan *p)
{
    const char *id = world_image(&w, "raw");
    struct plan none = { 0 };
    bool fired, ignored;
    struct error e;
    int r = upload(id, p, &fired, &e);

    if (r == 0) {
        if (!world_active(&w, id, data, SIZE))
            fail_msg("db %ld store %ld: answered yes and is not there", p->db, p->store);
    } else {
        assert_int_equal(e.kind, ERROR_UNAVAILABLE);
        assert_true(world_status(&w, id) == IMAGE_QUEUED ||
                    (world_status(&w, id) == IMAGE_SAVING && world_leases(&w) == 1));
        if (world_status(&w, id) == IMAGE_QUEUED)
            assert_int_equal(world_objects(&w), 0);
        if (!p->db_after && !p->store_after) /* one failure alone needs no reaper */
            assert_int_equal(world_status(&w, id), IMAGE_QUEUED);
        settle_world();
        if (!world_queued(&w, id) || world_objects(&w) != 0)
            fail_msg("db %ld/%ld store %ld/%ld: not as if nothing had happened", p->db, p->db_after, p->store,
                     p->store_after);
        MUST(upload(id, &none, &ignored, &e));
        assert_true(world_active(&w, id, data, SIZE));
    }
    remove_image(id);
    return fired;
}

static void each_database_call_of_an_upload_fails(void **state UNUSED)
{
    struct plan p = { 0 };

    for (p.db = 1; try_upload(&p); p.db++)
        continue;
    assert_true(p.db > 15);
}

static void each_store_call_of_an_upload_fails(void **state UNUSED)
{
    struct plan p = { 0 };

    for (int partial = 0; partial < 2; partial++) {
        p.partial = partial;
        for (p.store = 1; try_upload(&p); p.store++)
            continue;
        assert_int_equal(p.store, 1 + 3 + 1 + 1); /* begin, three writes, commit, and the one that passes */
    }
}

static void cleaning_up_fails_too(void **state UNUSED)
{
    long tried = 0;

    for (long n = 1;; n++) {
        struct plan first = { .db = n };

        if (!try_upload(&first))
            break;
        for (long m = 1;; m++) {
            struct plan p = { .db = n, .db_after = m };

            tried++;
            if (!try_upload(&p))
                break;
        }
    }
    for (int partial = 0; partial < 2; partial++)
        for (long n = 1; n <= 5; n++) {
            for (long m = 1;; m++) {
                struct plan p = { .store = n, .partial = partial, .db_after = m };

                tried++;
                if (!try_upload(&p))
                    break;
            }
            struct plan p = { .store = n, .partial = partial, .store_after = 1 };
            try_upload(&p);
            tried++;
        }
    assert_true(tried > 60);
}

/* ---- deleting ---- */

static bool try_remove(const struct plan *p)
{
    const char *id = world_image(&w, "raw");
    struct plan none = { 0 };
    struct image *im;
    bool fired;
    struct error e;
    int r;

    MUST(upload(id, &none, &fired, &e));
    im = world_load(&w, w.arena, id);
    db_fault_arm(p->db, ERROR_UNAVAILABLE);
    store_fault_arm(p->store, ERROR_UNAVAILABLE, p->partial);
    r = image_remove(w.db, w.stores, im, NULL, NULL, &e);
    fired = db_fault_fired() || store_fault_fired();
    disarm();
    if (r < 0) {
        assert_int_equal(e.kind, ERROR_UNAVAILABLE);
        assert_true(world_active(&w, id, data, SIZE));
        assert_int_equal(world_trash(&w), 0);
        remove_image(id);
    } else {
        assert_int_equal(world_status(&w, id), IMAGE_DELETED);
        settle_world();
        assert_int_equal(world_objects(&w), 0);
    }
    return fired;
}

static void each_call_of_a_delete_fails(void **state UNUSED)
{
    struct plan p = { 0 };

    for (p.db = 1; try_remove(&p); p.db++)
        continue;
    assert_true(p.db > 10);
    p.db = 0;
    for (int partial = 0; partial < 2; partial++) {
        p.partial = partial;
        for (p.store = 1; try_remove(&p); p.store++)
            continue;
        assert_int_equal(p.store, 3); /* check, delete, and the one that passes */
    }
}

/* ---- reaping ---- */

/* One abandoned upload with a visible object, and one object in the trash. */
static void litter(const char **ret_id)
{
    const char *dead = world_image(&w, "raw");
    CLEANUP(db_release) struct db_conn *c = NULL;
    struct store_location loc, left;
    struct lease l = { .image_id = *ret_id = world_image(&w, "raw"),
                       .holder = "elsewhere#1",
                       .store = "file",
                       .expires_us = 0 };
    struct error e;

    MUST(test_put(world_store(&w), *ret_id, 3, "abc", 3, &loc, &e));
    MUST(test_put(world_store(&w), dead, 3, "def", 3, &left, &e));
    l.url = loc.url;
    MUST(db_acquire(w.db, DB_WAIT, &c, &e));
    MUST(db_begin_write(c, &e));
    MUST(image_status_set(c, *ret_id, IMAGE_QUEUED, IMAGE_SAVING, &e));
    MUST(lease_take(c, &l, &e));
    MUST(trash_add(c, "file", left.url, NULL, &e));
    MUST(db_commit(c, &e));
}

static bool try_reap(const struct plan *p)
{
    const char *id;
    struct upkeep_counts n;
    bool fired;
    struct error e;
    int r;

    litter(&id);
    db_fault_arm(p->db, ERROR_UNAVAILABLE);
    store_fault_arm(p->store, ERROR_UNAVAILABLE, p->partial);
    r = upkeep_round(w.db, w.stores, &n, &e);
    fired = db_fault_fired() || store_fault_fired();
    disarm();
    assert_int_equal(r, fired ? -1 : 0);
    world_sql(&w, "UPDATE glint_trash SET attempts = 0");
    settle_world();
    assert_true(world_queued(&w, id));
    assert_int_equal(world_objects(&w), 0);
    return fired;
}

static void each_call_of_the_reaper_fails(void **state UNUSED)
{
    struct plan p = { 0 };

    for (p.db = 1; try_reap(&p); p.db++)
        continue;
    assert_true(p.db > 15);
    p.db = 0;
    for (int partial = 0; partial < 2; partial++) {
        p.partial = partial;
        for (p.store = 1; try_reap(&p); p.store++)
            continue;
        assert_int_equal(p.store, 3); /* two deletes, and the one that passes */
    }
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(each_database_call_of_an_upload_fails),
        T(each_store_call_of_an_upload_fails),
        T(cleaning_up_fails_too),
        T(each_call_of_a_delete_fails),
        T(each_call_of_the_reaper_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
