/* SPDX-License-Identifier: Apache-2.0 */
/* Units of work: what is repeated, and how often; what a unit does whose commit was not answered. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "db/driver.h"
#include "test.h"

static struct {
    char dir[64], path[96];
    struct db *db;
    struct db_conn *c;
    struct error e;
} t;

static int setup(void **state)
{
    static const char schema[] = "CREATE TABLE things (id INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL, "
                                 "UNIQUE (name)); CREATE TABLE sums (value INTEGER NOT NULL); "
                                 "INSERT INTO sums VALUES (0)";
    char url[160];

    (void)state;
    memset(&t, 0, sizeof t);
    snprintf(t.dir, sizeof t.dir, "/tmp/glint-unit-XXXXXX");
    assert_non_null(mkdtemp(t.dir));
    snprintf(t.path, sizeof t.path, "%s/x.sqlite", t.dir);
    snprintf(url, sizeof url, "fault+sqlite:///%s", t.path);
    assert_int_equal(db_open(url, true, 4, &t.db, &t.e), 0);
    assert_int_equal(db_acquire(t.db, DB_WAIT, &t.c, &t.e), 0);
    assert_int_equal(db_script(t.c, schema, &t.e), 0);
    return 0;
}

static int teardown(void **state)
{
    static const char *const ends[] = { "", "-wal", "-shm" };
    char path[128];

    (void)state;
    db_fault_units(DB_FAULT_NONE, 0, 0, "");
    db_release(&t.c);
    db_close(t.db);
    for (size_t i = 0; i < COUNT(ends); i++) {
        snprintf(path, sizeof path, "%s%s", t.path, ends[i]);
        unlink(path);
    }
    return rmdir(t.dir);
}

static int64_t number(const char *sql)
{
    struct db_stmt *s;
    int64_t ret;

    assert_int_equal(db_prepare_text(t.c, sql, &s, &t.e), 0);
    assert_int_equal(db_step(s, &t.e), 1);
    ret = db_int(s, 0);
    db_reset(s);
    return ret;
}

/* ---- a unit that must be done once ---- */

struct adding {
    const char *name;
    int runs, asked;
    int64_t sum; /* handed out */
};

static int insert(struct db_conn *c, const char *name, struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(c, "INSERT INTO things (name) VALUES (?1)", &s, e) < 0)
        return -1;
    db_bind_text(s, 1, name);
    return db_run(s, NULL, e);
}

static int add_run(struct db_conn *c, void *arg, struct error *e)
{
    struct adding *a = arg;
    struct db_stmt *s;

    a->runs++;
    if (insert(c, a->name, e) < 0 || db_prepare(c, "UPDATE sums SET value = value + 1", &s, e) < 0 ||
        db_run(s, NULL, e) < 0 || db_prepare(c, DB_FOR_UPDATE(c, "SELECT value FROM sums"), &s, e) < 0 ||
        db_step(s, e) < 0)
        return -1;
    a->sum = db_int(s, 0);
    db_reset(s);
    return 0;
}

static int add_went_through(struct db_conn *c, void *arg, bool *ret, struct error *e)
{
    struct adding *a = arg;
    struct db_stmt *s;
    int row;

    a->asked++;
    if (db_prepare(c, "SELECT 1 FROM things WHERE name = ?1", &s, e) < 0)
        return -1;
    db_bind_text(s, 1, a->name);
    row = db_step(s, e);
    *ret = row > 0;
    db_reset(s);
    return row < 0 ? -1 : 0;
}

static const struct db_unit adding = { "test.add", add_run, add_went_through };

static void check_once(int64_t things)
{
    assert_int_equal(number("SELECT COUNT(*) FROM things"), things);
    assert_int_equal(number("SELECT value FROM sums"), things);
}

/* The n-th call of the unit fails, n = 1, 2, 3… until none does: nobody notices, and all is done once. */
static void try_each_call(enum db_fault kind, bool on, long least)
{
    long n = 1;

    for (;; n++) {
        char name[32];
        struct adding a = { .name = name };
        int result;

        snprintf(name, sizeof name, "thing %ld", n);
        db_fault_units(kind, n, 1, "test.*");
        result = on ? db_write_on(t.c, &adding, &a, &t.e) : db_write(t.db, &adding, &a, &t.e);
        CHECK_CASE(t.e.detail, result == 0);
        check_once(n);
        assert_int_equal(a.sum, n);
        if (!db_fault_fired())
            break;
        assert_int_equal(a.runs + a.asked, kind == DB_FAULT_UNDONE ? 3 : kind == DB_FAULT_DONE ? 2 : a.runs);
        assert_true(a.runs <= 2);
        assert_int_equal(a.asked, kind == DB_FAULT_DONE || kind == DB_FAULT_UNDONE);
    }
    assert_true(n >= least);
}

static void test_again(void **state)
{
    (void)state;
    try_each_call(DB_FAULT_AGAIN, true, 6);
}

static void test_again_with_a_connection_of_its_own(void **state)
{
    (void)state;
    try_each_call(DB_FAULT_AGAIN, false, 6);
}

static void test_lost_connection(void **state)
{
    (void)state;
    try_each_call(DB_FAULT_LOST, true, 6);
}

static void test_commit_that_went_through(void **state)
{
    (void)state;
    try_each_call(DB_FAULT_DONE, true, 2);
}

static void test_commit_that_did_not(void **state)
{
    (void)state;
    try_each_call(DB_FAULT_UNDONE, true, 2);
}

static void test_another_unit_is_left_alone(void **state)
{
    struct adding a = { .name = "a" };

    (void)state;
    db_fault_units(DB_FAULT_AGAIN, 1, 1, "other.*");
    assert_int_equal(db_write_on(t.c, &adding, &a, &t.e), 0);
    assert_int_equal(a.runs, 1);
    assert_false(db_fault_fired());
}

/* ---- the end of patience ---- */

static void test_gives_up(void **state)
{
    static const struct {
        enum db_fault fault;
        enum error_kind kind;
    } cases[] = {
        { DB_FAULT_AGAIN, ERROR_UNAVAILABLE },
        { DB_FAULT_LOST, ERROR_UNAVAILABLE },
        { DB_FAULT_UNDONE, ERROR_UNCERTAIN },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct adding a = { .name = "a" };

        db_fault_units(cases[i].fault, 1, 1000, "test.add");
        assert_int_equal(db_write_on(t.c, &adding, &a, &t.e), -1);
        assert_int_equal(t.e.kind, cases[i].kind);
        assert_int_equal(t.e.status, 503);
        assert_non_null(strstr(t.e.detail, "test.add, try 10"));
        db_fault_units(DB_FAULT_NONE, 0, 0, "");
        check_once(0);
    }
}

/* ---- what run() returns ---- */

static int refuse(struct db_conn *c, void *arg, struct error *e)
{
    struct adding *a = arg;

    a->runs++;
    return insert(c, a->name, e) < 0 ? -1 : error_set(e, ERROR_FORBIDDEN, "No.");
}

static void test_refusal_is_not_repeated(void **state)
{
    static const struct db_unit unit = { "test.refuse", refuse, add_went_through };
    struct adding a = { .name = "a" };

    (void)state;
    assert_int_equal(db_write_on(t.c, &unit, &a, &t.e), -1);
    assert_int_equal(t.e.kind, ERROR_FORBIDDEN);
    assert_int_equal(a.runs, 1);
    check_once(0);
}

static int change_nothing(struct db_conn *c, void *arg, struct error *e)
{
    struct adding *a = arg;

    return insert(c, a->name, e) < 0 ? -1 : 1;
}

static void test_rolls_back_without_failing(void **state)
{
    static const struct db_unit unit = { "test.nothing", change_nothing, db_unit_idempotent };
    struct adding a = { .name = "a" };

    (void)state;
    assert_int_equal(db_write_on(t.c, &unit, &a, &t.e), 0);
    check_once(0);
}

/* Takes the failure for an answer of its own, and goes on. */
static int swallow(struct db_conn *c, void *arg, struct error *e)
{
    struct adding *a = arg;
    struct error ignored;
    struct db_stmt *s;

    a->runs++;
    if (insert(c, a->name, &ignored) < 0)
        log_debug("%s", ignored.message);
    if (db_prepare(c, "UPDATE sums SET value = value + 1", &s, e) < 0 || db_run(s, NULL, e) < 0)
        return error_set(e, ERROR_NOT_FOUND, "No sums here");
    return 0;
}

static void test_repeats_where_a_failure_was_swallowed(void **state)
{
    static const struct db_unit unit = { "test.swallow", swallow, add_went_through };

    (void)state;
    for (long n = 2; n <= 3; n++) { /* the insert's prepare, then its step, in a new session */
        char name[16];
        struct adding a = { .name = name };

        snprintf(name, sizeof name, "thing %ld", n);
        assert_int_equal(db_revive(t.c, &t.e), 0);
        db_fault_units(DB_FAULT_AGAIN, n, 1, "test.swallow");
        assert_int_equal(db_write_on(t.c, &unit, &a, &t.e), 0);
        assert_true(db_fault_fired());
        assert_int_equal(a.runs, 2);
        check_once(n - 1);
    }
}

/* ---- a unit in a unit ---- */

static int both(struct db_conn *c, void *arg, struct error *e)
{
    struct adding inner = { .name = "inner" }, *outer = arg;

    return db_write_on(c, &adding, &inner, e) < 0 ? -1 : add_run(c, outer, e);
}

static void test_within_another_it_is_a_part(void **state)
{
    static const struct db_unit unit = { "test.both", both, add_went_through };
    long n = 1;

    (void)state;
    for (;; n++) {
        struct adding a = { .name = "outer" };

        db_fault_units(DB_FAULT_AGAIN, n, 1, "test.*");
        assert_int_equal(db_write_on(t.c, &unit, &a, &t.e), 0);
        assert_int_equal(a.sum, 2);
        check_once(2);
        assert_int_equal(db_script(t.c, "DELETE FROM things; UPDATE sums SET value = 0", &t.e), 0);
        if (!db_fault_fired())
            break;
    }
    assert_true(n > 6);
}

static int set_run(struct db_conn *c, void *arg UNUSED, struct error *e)
{
    struct db_stmt *s;

    return db_prepare(c, "UPDATE sums SET value = 7", &s, e) < 0 ? -1 : db_run(s, NULL, e);
}

static void test_idempotent_is_repeated(void **state)
{
    static const struct db_unit unit = { "test.set", set_run, db_unit_idempotent };

    (void)state;
    db_fault_units(DB_FAULT_DONE, 1, 1, "*");
    assert_int_equal(db_write_on(t.c, &unit, NULL, &t.e), 0);
    assert_true(db_fault_fired());
    assert_int_equal(number("SELECT value FROM sums"), 7);
}

static void test_locks_only_inside_units(void **state)
{
    (void)state;
    assert_false(db_locks_rows(t.c));
    assert_int_equal(db_lock(t.c, "quota", &t.e), 0);
    assert_int_equal(db_begin_write(t.c, &t.e), 0);
    assert_true(db_locks_rows(t.c));
    assert_string_equal(DB_FOR_UPDATE(t.c, "SELECT 1"), "SELECT 1 FOR UPDATE");
    db_rollback(t.c);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_again),
        TEST(test_again_with_a_connection_of_its_own),
        TEST(test_lost_connection),
        TEST(test_commit_that_went_through),
        TEST(test_commit_that_did_not),
        TEST(test_another_unit_is_left_alone),
        TEST(test_gives_up),
        TEST(test_refusal_is_not_repeated),
        TEST(test_rolls_back_without_failing),
        TEST(test_repeats_where_a_failure_was_swallowed),
        TEST(test_within_another_it_is_a_part),
        TEST(test_idempotent_is_repeated),
        TEST(test_locks_only_inside_units),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
