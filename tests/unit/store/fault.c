/* SPDX-License-Identifier: Apache-2.0 */
#include "setup.h"

struct fixture {
    struct stores *stores;
    struct store *store;
    char dir[64];
};

static int setup(void **state)
{
    static struct fixture f;

    test_dir_make(f.dir);
    f.stores = test_file_stores(f.dir, NULL);
    f.store = stores_default(f.stores);
    store_fault_wrap(f.store);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    store_fault_arm(0, ERROR_INTERNAL, false);
    stores_close(f->stores);
    test_dir_remove(f->dir);
    return 0;
}

/* Calls of one put in order: begin, write, commit. */
static void each_call_fails_in_its_turn(void **state)
{
    static const bool partial[] = { false, true };
    struct fixture *f = *state;

    for (size_t k = 0; k < COUNT(partial); k++)
        for (long n = 1; n <= 4; n++) {
            struct store_location loc;
            struct error e;
            int r;

            store_fault_arm(n, ERROR_UNAVAILABLE, partial[k]);
            r = test_put(f->store, ID_A, 6, "abcdef", 6, &loc, &e);
            assert_int_equal(r, n <= 3 ? -1 : 0);
            assert_int_equal(store_fault_fired(), n <= 3);
            if (r < 0)
                assert_int_equal(e.kind, ERROR_UNAVAILABLE);
            assert_int_equal(test_dir_count(f->dir, "", false), r == 0);
            assert_int_equal(test_dir_count(f->dir, ".glint", true), 0);
            store_fault_arm(0, ERROR_INTERNAL, false);
            if (r == 0)
                assert_int_equal(store_delete(f->store, loc.url, &e), 0);
        }
}

static int see(void *arg, const struct store_object *o, struct error *e UNUSED)
{
    static char url[1100];

    *(struct store_object *)arg = *o;
    str_copy(url, sizeof url, o->url);
    ((struct store_object *)arg)->url = url;
    return 0;
}

static void listing_and_quarantine_fail_in_their_turn(void **state)
{
    static const bool partial[] = { false, true };
    struct fixture *f = *state;

    for (size_t k = 0; k < COUNT(partial); k++) {
        CLEANUP(str_done) struct str where = STR_INIT;
        struct store_location loc;
        struct store_object o;
        struct error e;

        store_fault_arm(0, ERROR_INTERNAL, false);
        assert_int_equal(test_put(f->store, ID_A, 6, "abcdef", 6, &loc, &e), 0);
        store_fault_arm(1, ERROR_UNAVAILABLE, partial[k]);
        assert_int_equal(store_list(f->store, see, &o, &e), -1);
        assert_int_equal(store_list(f->store, see, &o, &e), 0);
        store_fault_arm(1, ERROR_UNAVAILABLE, partial[k]);
        assert_int_equal(store_quarantine(f->store, &o, &where, &e), -1);
        assert_int_equal(e.kind, ERROR_UNAVAILABLE);
        assert_int_equal(store_delete(f->store, loc.url, &e), partial[k] ? -1 : 0);
    }
}

static int take(struct store *s, const char *path, struct store_location *ret, struct error *e)
{
    CLEANUP(store_put_abort) struct store_put *p = NULL;

    if (store_put_link(s, ID_A, path, &p, e) < 0 || store_put_commit(p, ret, e) < 0)
        return -1;
    store_put_done(&p);
    return 0;
}

/* Calls of one that takes over a file: link, commit. The file survives them. */
static void taking_over_fails_in_its_turn(void **state)
{
    struct fixture *f = *state;
    const char *path = test_path(f->dir, ".staged");

    for (int partial = 0; partial < 2; partial++)
        for (long n = 1; n <= 3; n++) {
            struct store_location loc;
            struct error e;
            int r;

            test_file_sparse(path, (const unsigned char *)"abcdef", 6);
            store_fault_arm(n, ERROR_UNAVAILABLE, partial);
            r = take(f->store, path, &loc, &e);
            assert_int_equal(r, n <= 2 ? -1 : 0);
            if (r < 0)
                assert_int_equal(e.kind, ERROR_UNAVAILABLE);
            assert_int_equal(test_dir_count(f->dir, "", false), r == 0);
            assert_int_equal(test_dir_count(f->dir, ".glint", true), 0);
            assert_true(test_file_holds(path, (const unsigned char *)"abcdef", 6));
            store_fault_arm(0, ERROR_INTERNAL, false);
            if (r == 0)
                assert_int_equal(store_delete(f->store, loc.url, &e), 0);
        }
}

static void reading_and_deleting_fail_too(void **state)
{
    struct fixture *f = *state;
    CLEANUP(store_get_close) struct store_get *g = NULL;
    struct store_location loc;
    uint64_t size;
    struct error e;
    char buf[8];

    store_fault_arm(0, ERROR_INTERNAL, false);
    assert_int_equal(test_put(f->store, ID_A, 6, "abcdef", 6, &loc, &e), 0);
    store_fault_arm(1, ERROR_NOT_FOUND, false);
    assert_int_equal(store_get_open(f->store, loc.url, &g, &size, &e), -1);
    assert_int_equal(e.kind, ERROR_NOT_FOUND);
    assert_int_equal(store_get_open(f->store, loc.url, &g, &size, &e), 0);
    store_fault_arm(1, ERROR_INTERNAL, false);
    assert_int_equal(store_get_read(g, 0, buf, 6, &e), -1);
    assert_int_equal(store_get_read(g, 0, buf, 6, &e), 6);
    store_fault_arm(1, ERROR_FORBIDDEN, false);
    assert_int_equal(store_delete_check(f->store, loc.url, &e), -1);
    store_fault_arm(1, ERROR_UNAVAILABLE, false);
    assert_int_equal(store_delete(f->store, loc.url, &e), -1);
    assert_true(test_holds(f->store, loc.url, "abcdef", 6));
    store_fault_arm(1, ERROR_UNAVAILABLE, true); /* deleted, and the answer lost */
    assert_int_equal(store_delete(f->store, loc.url, &e), -1);
    assert_false(test_holds(f->store, loc.url, "abcdef", 6));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_call_fails_in_its_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(taking_over_fails_in_its_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(reading_and_deleting_fail_too, setup, teardown),
        cmocka_unit_test_setup_teardown(listing_and_quarantine_fail_in_their_turn, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
