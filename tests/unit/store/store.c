/* SPDX-License-Identifier: Apache-2.0 */
#include "setup.h"

static const struct {
    const char *name;
    const char *pairs[4]; /* after the datadir */
    const char *standard; /* id of the default store, NULL: refused */
    size_t n;
} openings[] = {
    { "the default", { NULL }, "file", 2 },
    { "Glance's other name of it", { "glance_store.default_store=filesystem" }, "file", 2 },
    { "twice the same", { "glance_store.stores=file,filesystem" }, "file", 1 },
    { "two", { "glance_store.stores=file,memory" }, "file", 2 },
    { "the second is the default",
      { "glance_store.stores=file,memory", "glance_store.default_store=memory" },
      "memory",
      2 },
    { "another one that cannot be opened",
      { "glance_store.stores=file,memory", "glance_store.default_store=memory",
        "glance_store.filesystem_store_datadir=/etc/passwd" },
      "memory",
      1 },
    { "unknown among the stores", { "glance_store.stores=file,tape" }, NULL, 0 },
    { "unknown default", { "glance_store.default_store=tape" }, NULL, 0 },
    { "default not among the stores", { "glance_store.default_store=memory" }, NULL, 0 },
    { "default of a kind that cannot be written",
      { "glance_store.stores=http", "glance_store.default_store=http" },
      NULL,
      0 },
};

static void stores_open_what_is_named(void **state UNUSED)
{
    char dir[64], datadir[128];

    test_dir_make(dir);
    snprintf(datadir, sizeof datadir, "glance_store.filesystem_store_datadir=%s", dir);
    for (size_t i = 0; i < COUNT(openings); i++) {
        const char *const pairs[] = { datadir, openings[i].pairs[0], openings[i].pairs[1],
                                      openings[i].pairs[2], NULL };
        struct stores *s = NULL;
        struct error e;
        int r = test_stores_open(pairs, &s, &e);

        CHECK_CASE(openings[i].name, (r == 0) == (openings[i].standard != NULL));
        if (r == 0) {
            CHECK_CASE(openings[i].name, str_eq(store_id(stores_default(s)), openings[i].standard));
            CHECK_CASE(openings[i].name, str_eq(store_type(stores_default(s)), openings[i].standard));
            CHECK_CASE(openings[i].name, stores_count(s) == openings[i].n);
            CHECK_CASE(openings[i].name, store_writable(stores_default(s)));
        } else {
            CHECK_CASE(openings[i].name, e.kind == ERROR_INVALID);
        }
        stores_close(s);
    }
    test_dir_remove(dir);
}

static const struct {
    const char *id, *url, *store;
} choices[] = {
    { NULL, "file:///x/y", "file" },
    { NULL, "filesystem:///x/y", "file" },
    { NULL, "memory://y", "memory" },
    { "memory", "file:///x/y", "memory" },
    { "elsewhere", "file:///x/y", "file" },
    { NULL, "rbd://a/b/c/d", NULL },
    { NULL, "files:///x", NULL },
    { NULL, "/x/y", NULL },
    { NULL, "", NULL },
    { NULL, NULL, NULL },
    { "file", NULL, "file" },
};

static void a_location_has_its_store(void **state UNUSED)
{
    char dir[64];
    struct stores *s;

    test_dir_make(dir);
    s = test_file_stores(dir, "glance_store.stores=file,memory");
    for (size_t i = 0; i < COUNT(choices); i++) {
        struct store *got = stores_for_url(s, choices[i].id, choices[i].url);

        CHECK_CASE(choices[i].url ? choices[i].url : "NULL",
                   str_eq(got ? store_id(got) : NULL, choices[i].store));
    }
    stores_close(s);
    test_dir_remove(dir);
}

static void a_store_that_cannot_says_so(void **state UNUSED)
{
    static const char *const none[] = { NULL };
    static const struct store_driver nothing = { .name = "nothing", .schemes = none };
    struct store s = { .driver = &nothing, .id = (char[]){ "nothing" } };
    struct store_put *p;
    struct store_get *g;
    uint64_t size;
    struct error e;

    assert_false(store_writable(&s));
    assert_int_equal(store_put_begin(&s, ID_A, -1, &p, &e), -1);
    assert_int_equal(e.kind, ERROR_GONE);
    assert_string_equal(e.message, "Error in store configuration. Adding images to store is disabled.");
    assert_int_equal(store_get_open(&s, "nothing://x", &g, &size, &e), -1);
    assert_int_equal(e.kind, ERROR_INVALID);
    assert_int_equal(store_delete_check(&s, "nothing://x", &e), -1);
    assert_int_equal(e.kind, ERROR_INVALID);
    assert_int_equal(store_delete(&s, "nothing://x", &e), -1);
    assert_int_equal(e.kind, ERROR_INVALID);
    assert_int_equal(store_sweep(&s), 0);
}

static void work_is_counted(void **state UNUSED)
{
    struct stores *s = test_memory_stores();
    CLEANUP(str_done) struct str text = STR_INIT;
    struct store_location loc;
    struct error e;

    assert_int_equal(test_put(stores_default(s), ID_A, 6, "abcdef", 6, &loc, &e), 0);
    assert_true(test_holds(stores_default(s), loc.url, "abcdef", 6));
    metrics_write(&text);
    assert_non_null(
        strstr(str_text(&text), "glint_store_bytes_total{store=\"memory\",direction=\"in\"} 6\n"));
    assert_non_null(
        strstr(str_text(&text), "glint_store_bytes_total{store=\"memory\",direction=\"out\"} 6\n"));
    assert_non_null(
        strstr(str_text(&text), "glint_store_seconds_count{store=\"memory\",operation=\"put_commit\"} 1\n"));
    stores_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stores_open_what_is_named),
        cmocka_unit_test(a_location_has_its_store),
        cmocka_unit_test(a_store_that_cannot_says_so),
        cmocka_unit_test(work_is_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
