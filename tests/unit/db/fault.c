/* SPDX-License-Identifier: Apache-2.0 */
/* The n-th call fails, for n = 1, 2, 3… until the work is done: every failure is told and nothing is half
 * written. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "db/driver.h"
#include "test.h"

static int insert(struct db_conn *c, const char *name, struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(c, "INSERT INTO things (name) VALUES (?1)", &s, e) < 0)
        return -1;
    db_bind_text(s, 1, name);
    return db_run(s, NULL, e);
}

static int work(struct db *db, struct error *e)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    struct db_stmt *s;
    bool has;

    if (db_acquire(db, DB_WAIT, &c, e) < 0 || db_has_table(c, "things", &has, e) < 0 ||
        db_begin_write(c, e) < 0 || insert(c, "a", e) < 0 || insert(c, "b", e) < 0 ||
        db_script(c, "UPDATE things SET name = name || '!'", e) < 0 ||
        db_prepare_text(c, "SELECT name FROM things", &s, e) < 0)
        return -1;
    for (int i = 0; i < 2; i++)
        if (db_step(s, e) != 1)
            return -1;
    db_reset(s);
    return db_commit(c, e);
}

static int64_t count_rows(struct db *db)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    struct db_stmt *s;
    struct error e;

    assert_int_equal(db_acquire(db, DB_WAIT, &c, &e), 0);
    assert_int_equal(db_prepare(c, "SELECT COUNT(*) FROM things WHERE name LIKE '%!'", &s, &e), 0);
    assert_int_equal(db_step(s, &e), 1);
    return db_int(s, 0);
}

static void make(const char *url, struct db **ret)
{
    struct db_conn *c;
    struct error e;

    assert_int_equal(db_open(url, true, 0, ret, &e), 0); /* no pool: connecting is part of the work */
    assert_int_equal(db_acquire(*ret, DB_WAIT, &c, &e), 0);
    assert_int_equal(db_script(c, "CREATE TABLE things (name TEXT NOT NULL)", &e), 0);
    db_release(&c);
}

static void test_every_call_fails_once(void **state)
{
    char dir[] = "/tmp/glint-fault-XXXXXX", path[64], url[96];
    struct db *db;
    struct error e;
    long n = 1;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/x", dir);
    snprintf(url, sizeof url, "fault+sqlite:///%s", path);
    make(url, &db);
    for (;; n++) {
        int result;

        error_clear(&e);
        db_fault_arm(n, n % 2 ? ERROR_UNAVAILABLE : ERROR_INTERNAL);
        result = work(db, &e);
        if (!db_fault_fired()) {
            assert_int_equal(result, 0);
            break;
        }
        db_fault_arm(0, ERROR_NONE);
        assert_int_equal(result, -1);
        assert_int_equal(e.kind, n % 2 ? ERROR_UNAVAILABLE : ERROR_INTERNAL);
        assert_non_null(strstr(e.detail, "injected"));
        assert_int_equal(count_rows(db), 0);
    }
    db_fault_arm(0, ERROR_NONE);
    assert_int_equal(count_rows(db), 2);
    assert_true(n >= 11);
    db_close(db);
    unlink(path);
    assert_int_equal(rmdir(dir), 0);
}

static void test_wraps_only_sqlite(void **state)
{
    struct db *db;
    struct error e;

    (void)state;
    assert_int_equal(db_open("fault+oracle://x", true, 1, &db, &e), -1);
    assert_int_equal(e.kind, ERROR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_call_fails_once),
        cmocka_unit_test(test_wraps_only_sqlite),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
