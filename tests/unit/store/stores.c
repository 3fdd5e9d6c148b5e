/* SPDX-License-Identifier: Apache-2.0 */
/* Several stores: which are opened, what is known of them, and whose a location is. */
#include "setup.h"

#define TWO "DEFAULT.enabled_backends=fast:file,slow:file,web:http"

static char dir[64], fast[128], slow[128];

static const struct {
    const char *name;
    const char *pairs[3]; /* after the directories of fast and slow */
    const char *says;     /* NULL: it opens; else a part of the refusal */
} openings[] = {
    { "three", { TWO, "glance_store.default_backend=slow" }, NULL },
    { "no default", { TWO }, "default_backend is not set" },
    { "an unknown default", { TWO, "glance_store.default_backend=file" }, "\"file\" is not one" },
    { "a reserved id",
      { "DEFAULT.enabled_backends=os_glance_x:file", "glance_store.default_backend=os_glance_x" },
      "reserved" },
    { "an unknown type",
      { "DEFAULT.enabled_backends=fast:tape", "glance_store.default_backend=fast" },
      "\"fast:tape\" is unknown" },
    { "a type of Glance's",
      { "DEFAULT.enabled_backends=fast:file,ceph:rbd", "glance_store.default_backend=fast" },
      "not supported" },
    { "no id", { "DEFAULT.enabled_backends=:file", "glance_store.default_backend=" }, "enabled_backends" },
    { "the same twice",
      { "DEFAULT.enabled_backends=fast:file,fast:http", "glance_store.default_backend=fast" },
      "twice" },
    { "a directory that is none",
      { "DEFAULT.enabled_backends=fast:file,bad:file", "glance_store.default_backend=fast",
        "bad.filesystem_store_datadir=/etc/passwd" },
      "/etc/passwd" },
};

static int open_with(const char *const *more, struct stores **ret, struct error *e)
{
    const char *pairs[8] = { fast, slow };
    size_t n = 2;

    for (; more && *more && n < 7; more++)
        pairs[n++] = *more;
    return test_stores_open(pairs, ret, e);
}

static struct stores *open_three(const char *more)
{
    const char *const pairs[] = { TWO, "glance_store.default_backend=slow", more, NULL };
    struct stores *s;
    struct error e;

    if (open_with(pairs, &s, &e) < 0)
        fail_msg("%s", e.message);
    return s;
}

static void what_is_named_is_opened_or_refused(void **state UNUSED)
{
    for (size_t i = 0; i < COUNT(openings); i++) {
        const char *const pairs[] = { openings[i].pairs[0], openings[i].pairs[1], openings[i].pairs[2],
                                      NULL };
        struct stores *s = NULL;
        struct error e;

        error_clear(&e);
        CHECK_CASE(openings[i].name, (open_with(pairs, &s, &e) == 0) == !openings[i].says);
        CHECK_CASE(openings[i].name, !openings[i].says || strstr(e.message, openings[i].says));
        CHECK_CASE(openings[i].name, !openings[i].says || e.kind == ERROR_INVALID);
        stores_close(s);
    }
}

static void each_is_known_by_its_id(void **state UNUSED)
{
    struct stores *s = open_three("slow.weight=7");

    assert_true(stores_several(s));
    assert_int_equal(stores_count(s), 3);
    assert_string_equal(store_id(stores_default(s)), "slow");
    assert_ptr_equal(stores_by_id(s, "fast"), stores_at(s, 0));
    assert_null(stores_by_id(s, "file"));
    assert_null(stores_by_id(s, NULL));
    assert_int_equal(store_weight(stores_by_id(s, "slow")), 7);
    assert_int_equal(store_weight(stores_by_id(s, "fast")), 0);
    assert_null(store_description(stores_by_id(s, "slow")));
    assert_true(store_read_only(stores_by_id(s, "web")));
    assert_false(store_read_only(stores_by_id(s, "fast")));
    stores_close(s);
}

static void defaults_of_backends_fill_in(void **state UNUSED)
{
    struct stores *s = open_three("backend_defaults.weight=3");

    assert_int_equal(store_weight(stores_by_id(s, "fast")), 3);
    assert_int_equal(store_weight(stores_by_id(s, "slow")), 3);
    stores_close(s);
}

static void a_location_is_its_stores(void **state UNUSED)
{
    struct stores *s = open_three("fast.store_description=quick");
    struct store_location in_fast, in_slow;
    struct error e;

    assert_string_equal(store_description(stores_by_id(s, "fast")), "quick");
    assert_int_equal(test_put(stores_by_id(s, "fast"), ID_A, -1, "fast", 4, &in_fast, &e), 0);
    assert_int_equal(test_put(stores_by_id(s, "slow"), ID_A, -1, "slow", 4, &in_slow, &e), 0);
    assert_ptr_equal(stores_for_url(s, NULL, in_fast.url), stores_by_id(s, "fast"));
    assert_ptr_equal(stores_for_url(s, NULL, in_slow.url), stores_by_id(s, "slow"));
    assert_ptr_equal(stores_for_url(s, "slow", in_slow.url), stores_by_id(s, "slow"));
    assert_ptr_equal(stores_for_url(s, "gone", in_slow.url), stores_by_id(s, "slow"));
    assert_ptr_equal(stores_for_url(s, "fast", in_slow.url), stores_by_id(s, "slow"));
    assert_ptr_equal(stores_for_url(s, "web", in_slow.url), stores_by_id(s, "slow"));
    assert_ptr_equal(stores_for_url(s, "fast", "http://127.0.0.1/x"), stores_by_id(s, "web"));
    assert_ptr_equal(stores_for_url(s, NULL, "http://127.0.0.1/x"), stores_by_id(s, "web"));
    assert_null(stores_for_url(s, NULL, "rbd://a/b/c/d"));
    assert_non_null(stores_for_url(s, NULL, "file:///etc/passwd"));
    assert_true(test_holds(stores_by_id(s, "slow"), in_slow.url, "slow", 4));
    stores_close(s);
}

struct facts {
    size_t n;
    bool dir, chunk, thin;
};

static void note(void *arg, const struct store_fact *fact)
{
    struct facts *f = arg;

    f->n++;
    f->dir |= str_eq(fact->name, "data_dir") && fact->type == STORE_FACT_TEXT && str_starts(fact->text, dir);
    f->chunk |= str_eq(fact->name, "chunk_size") && fact->type == STORE_FACT_NUMBER && fact->number == 4096;
    f->thin |= str_eq(fact->name, "thin_provisioning") && fact->type == STORE_FACT_FLAG && !fact->number;
}

static void facts_are_as_configured(void **state UNUSED)
{
    struct stores *s = open_three("fast.filesystem_store_chunk_size=4096");
    struct facts f = { 0 };

    store_describe(stores_by_id(s, "fast"), note, &f);
    assert_true(f.n == 3 && f.dir && f.chunk && f.thin);
    store_describe(stores_by_id(s, "web"), note, &f);
    assert_int_equal(f.n, 3);
    stores_close(s);
}

static int set_up(void **state UNUSED)
{
    test_dir_make(dir);
    snprintf(fast, sizeof fast, "fast.filesystem_store_datadir=%s/fast", dir);
    snprintf(slow, sizeof slow, "slow.filesystem_store_datadir=%s/slow", dir);
    return 0;
}

static int tear_down(void **state UNUSED)
{
    test_dir_remove(dir);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_named_is_opened_or_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_is_known_by_its_id, set_up, tear_down),
        cmocka_unit_test_setup_teardown(defaults_of_backends_fill_in, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_location_is_its_stores, set_up, tear_down),
        cmocka_unit_test_setup_teardown(facts_are_as_configured, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("stores", tests, NULL, NULL);
}
