/* SPDX-License-Identifier: Apache-2.0 */
/* What every store driver promises, run over each of them. */
#include "setup.h"

#include <pthread.h>

struct kind {
    const char *name;
    bool memory, wrapped;
    const char *option;
};

static const struct kind kinds[] = {
    { "filesystem", false, false, NULL },
    { "filesystem, thin", false, false, "glance_store.filesystem_thin_provisioning=true" },
    { "memory", true, false, NULL },
    { "filesystem behind a quiet twin", false, true, NULL },
    { "memory behind a quiet twin", true, true, NULL },
};

struct fixture {
    const struct kind *kind;
    struct stores *stores;
    struct store *store;
    char dir[64];
    char outside[64]; /* on the same file system */
};

static int setup(void **state)
{
    static struct fixture f;

    f.kind = *state;
    test_dir_make(f.dir);
    test_dir_make(f.outside);
    f.stores = f.kind->memory ? test_memory_stores() : test_file_stores(f.dir, f.kind->option);
    f.store = stores_default(f.stores);
    if (f.kind->wrapped) {
        store_fault_wrap(f.store);
        store_fault_arm(0, ERROR_INTERNAL, false);
    }
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    stores_close(f->stores);
    test_dir_remove(f->dir);
    test_dir_remove(f->outside);
    return 0;
}

/* Zeroes in the middle, so that a sparse driver has something to leave out. */
static unsigned char *pattern(size_t n)
{
    unsigned char *data = malloc(n + 1);

    for (size_t i = 0; i < n; i++)
        data[i] = i > n / 4 && i < 3 * (n / 4) ? 0 : (unsigned char)(i * 7 + i / 251);
    return data;
}

static const struct {
    const char *name;
    size_t n, piece;
    bool announced;
} sizes[] = {
    { "nothing", 0, 1, false },
    { "nothing, announced", 0, 1, true },
    { "one byte", 1, 1, false },
    { "odd pieces", 100003, 777, false },
    { "odd pieces, announced", 100003, 777, true },
    { "several buffers", 5000000, 1048576, true },
    { "several buffers of unknown size", 5000000, 1048576, false },
};

static void what_was_put_is_what_one_gets(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < COUNT(sizes); i++) {
        CLEANUP(store_put_abort) struct store_put *p = NULL;
        unsigned char *data = pattern(sizes[i].n);
        struct store_location loc;
        struct error e;

        CHECK_CASE(sizes[i].name,
                   store_put_begin(f->store, ID_A, sizes[i].announced ? (int64_t)sizes[i].n : -1, &p, &e) ==
                       0);
        for (size_t at = 0; at < sizes[i].n; at += sizes[i].piece) {
            size_t n = sizes[i].n - at < sizes[i].piece ? sizes[i].n - at : sizes[i].piece;

            CHECK_CASE(sizes[i].name, store_put_write(p, data + at, n, &e) == 0);
        }
        CHECK_CASE(sizes[i].name, !test_holds(f->store, store_put_url(p), data, sizes[i].n));
        CHECK_CASE(sizes[i].name, store_put_commit(p, &loc, &e) == 0);
        CHECK_CASE(sizes[i].name, str_eq(loc.url, store_put_url(p)) && loc.size == sizes[i].n);
        store_put_done(&p);
        CHECK_CASE(sizes[i].name, test_holds(f->store, loc.url, data, sizes[i].n));
        CHECK_CASE(sizes[i].name, stores_for_url(f->stores, NULL, loc.url) == f->store);
        CHECK_CASE(sizes[i].name, store_delete_check(f->store, loc.url, &e) == 0);
        CHECK_CASE(sizes[i].name, store_delete(f->store, loc.url, &e) == 0);
        CHECK_CASE(sizes[i].name, !test_holds(f->store, loc.url, data, sizes[i].n));
        CHECK_CASE(sizes[i].name, store_delete(f->store, loc.url, &e) < 0 && e.kind == ERROR_NOT_FOUND);
        free(data);
    }
}

static const struct {
    const char *name;
    uint64_t offset;
    size_t n;
    ssize_t got;
} ranges[] = {
    { "from the start", 0, 10, 10 }, { "in the middle", 500, 100, 100 },  { "over the end", 950, 100, 50 },
    { "at the end", 1000, 10, 0 },   { "far beyond", 1ull << 40, 10, 0 }, { "the last byte", 999, 1, 1 },
};

static void ranges_are_read_anywhere(void **state)
{
    struct fixture *f = *state;
    CLEANUP(store_get_close) struct store_get *g = NULL;
    unsigned char *data = pattern(1000), got[100];
    struct store_location loc;
    struct error e;
    uint64_t size;

    assert_int_equal(test_put(f->store, ID_A, 1000, data, 1000, &loc, &e), 0);
    assert_int_equal(store_get_open(f->store, loc.url, &g, &size, &e), 0);
    for (size_t i = 0; i < COUNT(ranges); i++) {
        CHECK_CASE(ranges[i].name,
                   store_get_read(g, ranges[i].offset, got, ranges[i].n, &e) == ranges[i].got);
        if (ranges[i].got > 0)
            CHECK_CASE(ranges[i].name, memcmp(got, data + ranges[i].offset, (size_t)ranges[i].got) == 0);
    }
    assert_int_equal(store_delete(f->store, loc.url, &e), 0);
    assert_int_equal(store_get_read(g, 0, got, 10, &e), 10); /* an open object outlives its name */
    free(data);
}

static const struct {
    const char *name;
    int64_t announced;
    size_t sent;
    const char *message;
} mismatches[] = {
    { "more than announced", 30, 40, "Size exceeds: expected 30 bytes, got 40 bytes" },
    { "less than announced", 30, 10, "Size mismatch: expected 30 bytes, got 10 bytes" },
    { "none of the announced", 5, 0, "Size mismatch: expected 5 bytes, got 0 bytes" },
};

static void announced_sizes_bind(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < COUNT(mismatches); i++) {
        unsigned char *data = pattern(100);
        struct store_location loc;
        struct error e;

        CHECK_CASE(mismatches[i].name,
                   test_put(f->store, ID_A, mismatches[i].announced, data, mismatches[i].sent, &loc, &e) < 0);
        CHECK_CASE(mismatches[i].name, e.kind == ERROR_INVALID && str_eq(e.message, mismatches[i].message));
        CHECK_CASE(mismatches[i].name, test_put(f->store, ID_A, 3, data, 3, &loc, &e) == 0);
        CHECK_CASE(mismatches[i].name, store_delete(f->store, loc.url, &e) == 0);
        free(data);
    }
}

static void an_object_is_never_replaced(void **state)
{
    struct fixture *f = *state;
    CLEANUP(store_put_abort) struct store_put *early = NULL;
    struct store_location loc;
    struct error e;

    assert_int_equal(store_put_begin(f->store, ID_A, -1, &early, &e), 0);
    assert_int_equal(store_put_write(early, "early", 5, &e), 0);
    assert_int_equal(test_put(f->store, ID_A, 5, "first", 5, &loc, &e), 0);
    assert_int_equal(test_put(f->store, ID_A, 5, "other", 5, &loc, &e), -1);
    assert_int_equal(e.kind, ERROR_CONFLICT);
    assert_int_equal(store_put_commit(early, &loc, &e), -1);
    assert_int_equal(e.kind, ERROR_CONFLICT);
    store_put_abort(&early);
    assert_null(early);
    assert_true(test_holds(f->store, loc.url, "first", 5));
}

static void abort_leaves_no_trace(void **state)
{
    struct fixture *f = *state;
    struct store_put *p = NULL;
    struct store_location loc;
    char url[1024];
    struct error e;

    store_put_abort(&p);
    store_put_done(&p);
    assert_int_equal(store_put_begin(f->store, ID_A, 3, &p, &e), 0);
    assert_int_equal(store_put_write(p, "abc", 3, &e), 0);
    str_copy(url, sizeof url, store_put_url(p));
    store_put_abort(&p);
    assert_false(test_holds(f->store, url, "abc", 3));

    assert_int_equal(store_put_begin(f->store, ID_A, 3, &p, &e), 0);
    assert_int_equal(store_put_write(p, "abc", 3, &e), 0);
    assert_int_equal(store_put_commit(p, &loc, &e), 0);
    assert_true(test_holds(f->store, url, "abc", 3));
    store_put_abort(&p);
    assert_false(test_holds(f->store, url, "abc", 3));
    assert_int_equal(store_delete(f->store, url, &e), -1);
    if (!f->kind->memory) {
        assert_int_equal(test_dir_count(f->dir, "", false), 0);
        assert_int_equal(test_dir_count(f->dir, ".glint", true), 0);
    }
}

static void abort_spares_a_successor(void **state)
{
    struct fixture *f = *state;
    struct store_put *p = NULL;
    struct store_location loc;
    struct error e;

    assert_int_equal(store_put_begin(f->store, ID_A, 3, &p, &e), 0);
    assert_int_equal(store_put_write(p, "old", 3, &e), 0);
    assert_int_equal(store_put_commit(p, &loc, &e), 0);
    assert_int_equal(store_delete(f->store, loc.url, &e), 0);
    assert_int_equal(test_put(f->store, ID_A, 3, "new", 3, &loc, &e), 0);
    store_put_abort(&p);
    assert_true(test_holds(f->store, loc.url, "new", 3));
}

/* ---- taking over files ---- */

/* Whether the driver can: the others have to say so, and what follows is not for them. */
static bool takes_files(struct fixture *f, const char *path)
{
    struct store_put *p = NULL;
    struct error e;

    if (!f->kind->memory)
        return true;
    assert_int_equal(store_put_link(f->store, ID_A, path, &p, &e), -1);
    assert_int_equal(e.kind, ERROR_INVALID);
    assert_null(p);
    return false;
}

static const size_t taken_sizes[] = { 1 << 20, 5000001, 1 }; /* the last is not thin */

static void a_file_becomes_an_object(void **state)
{
    struct fixture *f = *state;
    const char *path = test_path(f->outside, "staged");

    for (size_t i = 0; i < COUNT(taken_sizes) && takes_files(f, path); i++) {
        CLEANUP(store_put_abort) struct store_put *p = NULL;
        size_t n = taken_sizes[i];
        unsigned char *data = pattern(n);
        struct store_location loc;
        struct error e;

        if (n == 1 && f->kind->option) {
            free(data);
            continue;
        }
        test_file_sparse(path, data, n);
        assert_int_equal(store_put_link(f->store, ID_A, path, &p, &e), 0);
        assert_int_equal(store_put_write(p, "more", 4, &e), -1);
        assert_int_equal(e.kind, ERROR_INVALID);
        assert_false(test_holds(f->store, store_put_url(p), data, n));
        assert_int_equal(store_put_commit(p, &loc, &e), 0);
        assert_true(str_eq(loc.url, store_put_url(p)) && loc.size == n);
        store_put_done(&p);
        assert_true(test_holds(f->store, loc.url, data, n));
        assert_true(test_file_holds(path, data, n));
        assert_int_equal(unlink(path), 0);
        assert_true(test_holds(f->store, loc.url, data, n));
        assert_int_equal(test_dir_count(f->dir, ".glint", true), 0);
        assert_int_equal(store_delete(f->store, loc.url, &e), 0);
        free(data);
    }
}

static void a_taken_file_replaces_nothing(void **state)
{
    struct fixture *f = *state;
    const char *path = test_path(f->outside, "staged");
    unsigned char *data = pattern(1 << 20);
    CLEANUP(store_put_abort) struct store_put *early = NULL;
    struct store_put *p = NULL;
    struct store_location loc;
    struct error e;

    if (takes_files(f, path)) {
        test_file_sparse(path, data, 1 << 20);
        assert_int_equal(store_put_link(f->store, ID_A, path, &early, &e), 0);
        assert_int_equal(test_put(f->store, ID_A, 5, "first", 5, &loc, &e), 0);
        assert_int_equal(store_put_link(f->store, ID_A, path, &p, &e), -1);
        assert_int_equal(e.kind, ERROR_CONFLICT);
        assert_int_equal(store_put_commit(early, &loc, &e), -1);
        assert_int_equal(e.kind, ERROR_CONFLICT);
        store_put_abort(&early);
        assert_true(test_holds(f->store, loc.url, "first", 5));
        assert_true(test_file_holds(path, data, 1 << 20));
        assert_int_equal(test_dir_count(f->dir, ".glint", true), 0);
    }
    free(data);
}

static void abort_leaves_the_file(void **state)
{
    struct fixture *f = *state;
    const char *path = test_path(f->outside, "staged");
    unsigned char *data = pattern(1 << 20);

    for (int committed = 0; committed < 2 && takes_files(f, path); committed++) {
        struct store_put *p = NULL;
        struct store_location loc;
        struct stat before, after;
        struct error e;

        test_file_sparse(path, data, 1 << 20);
        assert_int_equal(chmod(path, 0600), 0);
        assert_int_equal(stat(path, &before), 0);
        assert_int_equal(store_put_link(f->store, ID_A, path, &p, &e), 0);
        if (committed)
            assert_int_equal(store_put_commit(p, &loc, &e), 0);
        store_put_abort(&p);
        assert_int_equal(test_dir_count(f->dir, "", false), 0);
        assert_int_equal(test_dir_count(f->dir, ".glint", true), 0);
        assert_int_equal(stat(path, &after), 0);
        assert_true(after.st_ino == before.st_ino && after.st_nlink == 1 && after.st_mode == before.st_mode);
        assert_true(test_file_holds(path, data, 1 << 20));
    }
    free(data);
}

/* ---- many at once ---- */

enum { RIVALS = 8, ROUNDS = 20 };

struct rival {
    struct store *store;
    pthread_barrier_t *start;
    char text[8];
    int result;
    enum error_kind kind;
};

static void *compete(void *arg)
{
    struct rival *r = arg;
    struct store_location loc;
    struct error e;

    pthread_barrier_wait(r->start);
    r->result = test_put(r->store, ID_B, 7, r->text, 7, &loc, &e);
    r->kind = r->result < 0 ? e.kind : ERROR_NONE;
    return NULL;
}

static void one_of_many_wins(void **state)
{
    struct fixture *f = *state;

    for (int round = 0; round < ROUNDS; round++) {
        struct rival rivals[RIVALS];
        pthread_t threads[RIVALS];
        pthread_barrier_t start;
        char url[1024];
        int winner = -1;
        struct error e;

        pthread_barrier_init(&start, NULL, RIVALS);
        for (int i = 0; i < RIVALS; i++) {
            rivals[i] = (struct rival){ .store = f->store, .start = &start };
            snprintf(rivals[i].text, sizeof rivals[i].text, "rival %d", i);
            assert_int_equal(pthread_create(&threads[i], NULL, compete, &rivals[i]), 0);
        }
        for (int i = 0; i < RIVALS; i++) {
            pthread_join(threads[i], NULL);
            if (rivals[i].result == 0) {
                assert_int_equal(winner, -1);
                winner = i;
            } else {
                assert_int_equal(rivals[i].kind, ERROR_CONFLICT);
            }
        }
        pthread_barrier_destroy(&start);
        assert_int_not_equal(winner, -1);
        snprintf(url, sizeof url, f->kind->memory ? "memory://%s%s" : "file://%s/%s",
                 f->kind->memory ? "" : f->dir, ID_B);
        assert_true(test_holds(f->store, url, rivals[winner].text, 7));
        assert_int_equal(store_delete(f->store, url, &e), 0);
    }
    assert_int_equal(store_sweep(f->store), 0);
}

/* ---- looking after it ---- */

struct seen {
    size_t n, stop_at;
    struct store_object last; /* its texts: those below */
};
static char seen_name[300], seen_url[1100];

static int see(void *arg, const struct store_object *o, struct error *e)
{
    struct seen *s = arg;

    s->last = *o;
    str_copy(seen_name, sizeof seen_name, o->name);
    str_copy(seen_url, sizeof seen_url, o->url);
    s->last.name = seen_name;
    s->last.url = seen_url;
    s->last.alias = NULL;
    return ++s->n == s->stop_at ? error_set(e, ERROR_ABORTED, "enough") : 0;
}

static struct seen list(struct fixture *f)
{
    struct seen s = { 0 };
    struct error e;

    assert_int_equal(store_list(f->store, see, &s, &e), 0);
    return s;
}

static void what_is_there_is_listed(void **state)
{
    struct fixture *f = *state;
    struct store_location loc;
    struct seen s = list(f);
    struct error e;

    assert_int_equal(s.n, 0);
    assert_int_equal(test_put(f->store, ID_A, -1, "abc", 3, &loc, &e), 0);
    s = list(f);
    assert_int_equal(s.n, 1);
    assert_string_equal(seen_name, ID_A);
    assert_string_equal(seen_url, loc.url);
    assert_int_equal(s.last.size, 3);
    assert_true(s.last.changed_us > clock_now_us() - 60 * CLOCK_SECOND &&
                s.last.changed_us < clock_now_us() + 60 * CLOCK_SECOND);
    assert_int_equal(test_put(f->store, ID_B, -1, "", 0, &loc, &e), 0);
    assert_int_equal(list(f).n, 2);
    s = (struct seen){ .stop_at = 1 };
    assert_int_equal(store_list(f->store, see, &s, &e), -1);
    assert_int_equal(e.kind, ERROR_ABORTED);
    assert_int_equal(s.n, 1);
}

static void what_is_set_aside_is_kept(void **state)
{
    struct fixture *f = *state;
    CLEANUP(str_done) struct str where = STR_INIT;
    struct store_location loc;
    struct seen s;
    struct error e;

    for (int i = 0; i < 3; i++) { /* within one second, too */
        str_clear(&where);
        assert_int_equal(test_put(f->store, ID_A, -1, "abc", 3, &loc, &e), 0);
        s = list(f);
        assert_int_equal(store_quarantine(f->store, &s.last, &where, &e), 0);
        assert_int_equal(list(f).n, 0);
        assert_false(test_holds(f->store, loc.url, "abc", 3));
        if (!f->kind->memory)
            assert_true(test_file_holds(str_text(&where), (const unsigned char *)"abc", 3));
    }
    assert_int_equal(store_sweep(f->store), 0);
    if (!f->kind->memory)
        assert_int_equal(test_dir_count(f->dir, ".glint/quarantine", false), 3);
}

static void what_was_replaced_is_not_set_aside(void **state)
{
    struct fixture *f = *state;
    CLEANUP(str_done) struct str where = STR_INIT;
    struct store_location loc;
    struct seen s;
    struct error e;

    assert_int_equal(test_put(f->store, ID_A, -1, "abc", 3, &loc, &e), 0);
    s = list(f);
    assert_int_equal(store_delete(f->store, loc.url, &e), 0);
    assert_int_equal(store_quarantine(f->store, &s.last, &where, &e), -1);
    assert_int_equal(e.kind, ERROR_CONFLICT);
    assert_int_equal(test_put(f->store, ID_A, -1, "abcd", 4, &loc, &e), 0);
    assert_int_equal(store_quarantine(f->store, &s.last, &where, &e), -1);
    assert_int_equal(e.kind, ERROR_CONFLICT);
    assert_true(test_holds(f->store, loc.url, "abcd", 4));
    assert_int_equal(where.len, 0);
}

#define OVER(k, test)                                                                                        \
    {                                                                                                        \
#test, test, setup, teardown, (void *)&kinds[k]                                                      \
    }
#define ALL(k)                                                                                               \
    OVER(k, what_was_put_is_what_one_gets), OVER(k, ranges_are_read_anywhere),                               \
        OVER(k, announced_sizes_bind), OVER(k, an_object_is_never_replaced), OVER(k, abort_leaves_no_trace), \
        OVER(k, abort_spares_a_successor), OVER(k, a_file_becomes_an_object),                                \
        OVER(k, a_taken_file_replaces_nothing), OVER(k, abort_leaves_the_file), OVER(k, one_of_many_wins),   \
        OVER(k, what_is_there_is_listed), OVER(k, what_is_set_aside_is_kept),                                \
        OVER(k, what_was_replaced_is_not_set_aside)

int main(void)
{
    const struct CMUnitTest tests[] = { ALL(0), ALL(1), ALL(2), ALL(3), ALL(4) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
