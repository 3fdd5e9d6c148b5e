/* SPDX-License-Identifier: Apache-2.0 */
#include "setup.h"

#include "transfer/lease.h"

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

static const char *active_image(const char *text)
{
    const char *id = world_image(&w, "raw");
    struct stream_memory m = { .data = text, .len = strlen(text) };
    struct stream_source src = stream_memory_source(&m);
    struct upload_options o = world_options(&w);
    struct error e;

    MUST(world_upload(&w, id, &o, &src, &e));
    return id;
}

static void rows_and_data_go(void **state UNUSED)
{
    const char *id = active_image("abc"), *other = active_image("def");
    struct image *im = world_load(&w, w.arena, id);
    struct error e;

    MUST(image_remove(w.db, w.stores, im, NULL, NULL, &e));
    assert_int_equal(world_status(&w, id), IMAGE_DELETED);
    assert_int_equal(world_objects(&w), 1);
    assert_int_equal(world_trash(&w), 0);
    assert_true(world_active(&w, other, "def", 3));
    assert_int_equal(image_remove(w.db, w.stores, im, NULL, NULL, &e), -1);
    assert_int_equal(e.kind, ERROR_NOT_FOUND);
}

static void missing_data_is_no_hindrance(void **state UNUSED)
{
    const char *id = active_image("abc");
    struct image *im = world_load(&w, w.arena, id);
    struct error e;

    MUST(store_delete(world_store(&w), im->locations[0].url, &e));
    MUST(image_remove(w.db, w.stores, im, NULL, NULL, &e));
    assert_int_equal(world_trash(&w), 0);
}

static void a_queued_image_has_no_data(void **state UNUSED)
{
    struct error e;

    MUST(image_remove(w.db, w.stores, world_load(&w, w.arena, world_image(&w, "raw")), NULL, NULL, &e));
    assert_int_equal(world_trash(&w), 0);
}

static void foreign_locations_only_lose_their_row(void **state UNUSED)
{
    const char *id = active_image("abc");
    struct image *im;
    struct error e;

    world_sql(&w, "UPDATE image_locations SET value = 'rbd://fsid/pool/image/snap'");
    im = world_load(&w, w.arena, id);
    MUST(image_remove(w.db, w.stores, im, NULL, NULL, &e));
    assert_int_equal(world_status(&w, id), IMAGE_DELETED);
    assert_int_equal(world_trash(&w), 0);
    assert_int_equal(world_objects(&w), 1);
}

static void a_known_refusal_leaves_everything(void **state UNUSED)
{
    const char *id = active_image("abc");
    struct error e;

    store_fault_wrap(world_store(&w));
    store_fault_arm(1, ERROR_FORBIDDEN, false);
    assert_int_equal(image_remove(w.db, w.stores, world_load(&w, w.arena, id), NULL, NULL, &e), -1);
    assert_int_equal(e.kind, ERROR_FORBIDDEN);
    assert_true(world_active(&w, id, "abc", 3));
    assert_int_equal(world_trash(&w), 0);
}

static void what_cannot_be_removed_now_is_noted(void **state UNUSED)
{
    const char *id = active_image("abc");
    struct error e;

    store_fault_wrap(world_store(&w));
    store_fault_arm(2, ERROR_UNAVAILABLE, false); /* after the check */
    MUST(image_remove(w.db, w.stores, world_load(&w, w.arena, id), NULL, NULL, &e));
    assert_true(store_fault_fired());
    assert_int_equal(world_status(&w, id), IMAGE_DELETED);
    assert_int_equal(world_objects(&w), 1);
    assert_int_equal(world_trash(&w), 1);
    assert_int_equal(world_reap(&w).objects, 1);
    assert_int_equal(world_objects(&w) + world_trash(&w), 0);
}

/* The handler's image is older than the row. */
static void the_image_as_it_is_now_counts(void **state UNUSED)
{
    const char *id = world_image(&w, "raw"), *guarded = active_image("def");
    struct image *queued = world_load(&w, w.arena, id), *bare = world_load(&w, w.arena, guarded);
    struct stream_memory m = { .data = "abc", .len = 3 };
    struct stream_source src = stream_memory_source(&m);
    struct upload_options o = world_options(&w);
    struct error e;

    MUST(world_upload(&w, id, &o, &src, &e));
    MUST(image_remove(w.db, w.stores, queued, NULL, NULL, &e));
    assert_int_equal(world_status(&w, id), IMAGE_DELETED);
    assert_int_equal(world_objects(&w), 1);

    world_sql(&w, "UPDATE images SET protected = 1 WHERE NOT deleted");
    assert_int_equal(image_remove(w.db, w.stores, bare, NULL, NULL, &e), -1);
    assert_int_equal(e.kind, ERROR_FORBIDDEN);
    assert_true(world_active(&w, guarded, "def", 3));
}

static struct trash first_trash(struct db_conn *c)
{
    struct trash *t;
    size_t n;
    struct error e;

    MUST(trash_list(c, w.arena, 10, &t, &n, &e));
    assert_int_equal(n, 1);
    return t[0];
}

/* An object in the store that no row has; returns its URL. */
static const char *put_object(const char *id, const char *text)
{
    CLEANUP(store_put_abort) struct store_put *p = NULL;
    struct store_location l;
    struct error e;

    MUST(store_put_begin(world_store(&w), id, -1, &p, &e));
    MUST(store_put_write(p, text, strlen(text), &e));
    MUST(store_put_commit(p, &l, &e));
    store_put_done(&p);
    return arena_str(w.arena, l.url);
}

/* Two read the same row of the trash. One of them stands still, while the other removes the object and an
 * import puts a new one under the same name. */
static void the_trash_of_before_removes_nothing_new(void **state UNUSED)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    const char *id = world_image(&w, "raw"), *url = put_object(id, "old");
    enum trash_end end;
    struct trash seen;
    struct error e;

    MUST(db_acquire(w.db, DB_WAIT, &c, &e));
    MUST(db_begin_write(c, &e));
    MUST(trash_add(c, store_id(world_store(&w)), url, NULL, &e));
    MUST(db_commit(c, &e));
    seen = first_trash(c);
    MUST(trash_empty(c, world_store(&w), &seen, &end, &e));
    assert_int_equal(end, TRASH_REMOVED);
    assert_int_equal(world_objects(&w), 0);
    put_object(id, "new");
    MUST(trash_empty(c, world_store(&w), &seen, &end, &e));
    assert_int_equal(end, TRASH_NOTHING);
    assert_int_equal(world_objects(&w), 1);
}

/* The row waits for the end of the upload, and then for what it left. */
static void an_object_that_is_awaited_stays(void **state UNUSED)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    const char *id = world_image(&w, "raw"), *url = put_object(id, "old");
    struct lease l = { .image_id = id,
                       .holder = lease_holder(),
                       .store = store_id(world_store(&w)),
                       .url = url,
                       .expires_us = lease_expiry() };
    enum trash_end end;
    struct trash seen;
    struct error e;

    MUST(db_acquire(w.db, DB_WAIT, &c, &e));
    MUST(db_begin_write(c, &e));
    MUST(trash_add(c, l.store, url, NULL, &e));
    MUST(lease_take(c, &l, &e));
    MUST(db_commit(c, &e));
    seen = first_trash(c);
    MUST(trash_empty(c, world_store(&w), &seen, &end, &e));
    assert_int_equal(end, TRASH_AWAITED);
    assert_int_equal(world_objects(&w), 1);
    assert_int_equal(world_trash(&w), 1);
    MUST(db_begin_write(c, &e));
    MUST(lease_drop(c, id, l.holder, &e));
    MUST(db_commit(c, &e));
    MUST(trash_empty(c, world_store(&w), &seen, &end, &e));
    assert_int_equal(end, TRASH_REMOVED);
    assert_int_equal(world_objects(&w), 0);
    assert_int_equal(world_trash(&w), 0);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(rows_and_data_go),
        T(missing_data_is_no_hindrance),
        T(a_queued_image_has_no_data),
        T(foreign_locations_only_lose_their_row),
        T(a_known_refusal_leaves_everything),
        T(what_cannot_be_removed_now_is_noted),
        T(the_image_as_it_is_now_counts),
        T(the_trash_of_before_removes_nothing_new),
        T(an_object_that_is_awaited_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
