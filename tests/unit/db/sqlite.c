/* SPDX-License-Identifier: Apache-2.0 */
/* What is SQLite's own: URLs, files, a full disk, the write-ahead log. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db/driver.h"
#include "test.h"

static char dir[64];
static struct error e;

static int set_up(void **state)
{
    (void)state;
    str_copy(dir, sizeof dir, "/tmp/glint-sqlite-XXXXXX");
    return mkdtemp(dir) ? chdir(dir) : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return chdir("/") || rmdir(dir); /* every test removes what it made, and closing leaves no log behind */
}

static const struct {
    const char *name, *url, *file;
} good[] = {
    { "absolute", "sqlite:////%s/a.sqlite", "a.sqlite" },
    { "relative", "sqlite:///b.sqlite", "b.sqlite" },
    { "named driver", "sqlite+pysqlite:///c.sqlite", "c.sqlite" },
    { "the query is ignored", "sqlite:///d.sqlite?timeout=5&x=%2F", "d.sqlite" },
    { "a path is not percent-decoded", "sqlite:///e%20e.sqlite", "e%20e.sqlite" },
    { "memory", "sqlite://", NULL },
    { "memory, with a slash", "sqlite:///", NULL },
    { "memory by name", "sqlite:///:memory:", NULL },
};

static void test_urls(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        char url[200];
        struct db *db;
        const char *at = strstr(good[i].url, "%s");

        if (at)
            snprintf(url, sizeof url, "%.*s%s%s", (int)(at - good[i].url), good[i].url, dir, at + 2);
        else
            str_copy(url, sizeof url, good[i].url);
        CHECK_CASE(good[i].name, db_open(url, true, 1, &db, &e) == 0);
        CHECK_CASE(good[i].name, db_dialect(db) == DB_SQLITE);
        CHECK_CASE(good[i].name, strstr(db_describe(db), good[i].file ? good[i].file : "memory"));
        db_close(db);
        CHECK_CASE(good[i].name, !good[i].file || unlink(good[i].file) == 0);
    }
}

static const struct {
    const char *name, *url;
    enum error_kind kind;
    const char *says;
} bad[] = {
    { "unknown scheme", "oracle://u:secret@h/db", ERROR_INVALID, "sqlite" },
    { "no scheme", "glance.sqlite", ERROR_INVALID, "known" },
    { "a host", "sqlite://host/x", ERROR_INVALID, "relative" },
    { "two slashes", "sqlite:x", ERROR_INVALID, "relative" },
    { "nothing", "", ERROR_INVALID, "known" },
    { "directory is missing", "sqlite:///no/such/dir/x.sqlite", ERROR_UNAVAILABLE, "available" },
    { "not a database", "sqlite:///garbage", ERROR_UNAVAILABLE, "available" },
};

static void test_bad_urls(void **state)
{
    int fd = open("garbage", O_CREAT | O_WRONLY, 0600);
    struct db *db;

    (void)state;
    for (int i = 0; i < 100; i++)
        assert_int_equal(write(fd, "this is no database, whatever its name says. ", 45), 45);
    close(fd);
    for (size_t i = 0; i < COUNT(bad); i++) {
        CHECK_CASE(bad[i].name, db_open(bad[i].url, true, 1, &db, &e) == -1);
        CHECK_CASE(bad[i].name, e.kind == bad[i].kind);
        CHECK_CASE(bad[i].name, strstr(e.message, bad[i].says));
        CHECK_CASE(bad[i].name, !strstr(e.message, "secret"));
    }
    unlink("garbage");
}

static void test_missing_file(void **state)
{
    struct db *db;
    struct db_conn *c;

    (void)state;
    assert_int_equal(db_open("sqlite:///new", false, 1, &db, &e), -1);
    assert_int_equal(e.kind, ERROR_UNAVAILABLE);
    assert_int_equal(access("new", F_OK), -1);
    assert_int_equal(db_open("sqlite:///new", true, 1, &db, &e), 0);
    assert_int_equal(db_acquire(db, DB_WAIT, &c, &e), 0);
    db_release(&c);
    db_close(db);
    assert_int_equal(db_open("sqlite:///new", false, 1, &db, &e), 0);
    db_close(db);
    unlink("new");
}

static const char *pragma(struct db_conn *c, const char *sql, char ret[64])
{
    struct db_stmt *s;

    assert_int_equal(db_prepare_text(c, sql, &s, &e), 0);
    assert_int_equal(db_step(s, &e), 1);
    str_copy(ret, 64, db_text(s, 0));
    db_reset(s);
    return ret;
}

static void test_settings(void **state)
{
    struct db_conn *c[2];
    struct db *db;
    char value[64];

    (void)state;
    assert_int_equal(db_open("sqlite:///x", true, 2, &db, &e), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(db_acquire(db, DB_WAIT, &c[i], &e), 0);
    for (int i = 0; i < 2; i++) {
        assert_string_equal(pragma(c[i], "PRAGMA journal_mode", value), "wal");
        assert_string_equal(pragma(c[i], "PRAGMA synchronous", value), "2");
        assert_string_equal(pragma(c[i], "PRAGMA foreign_keys", value), "1");
        assert_string_equal(pragma(c[i], "PRAGMA cache_size", value), "-2000");
        db_release(&c[i]);
    }
    db_close(db);
    unlink("x");
}

/* A database that may not grow stands for a full disk: both are SQLITE_FULL, after which SQLite itself undoes
 * the transaction. */
static void test_full(void **state)
{
    struct db_conn *c;
    struct db_stmt *s;
    struct db *db;
    int64_t rows = 0;
    char value[64];

    (void)state;
    assert_int_equal(db_open("sqlite:///x", true, 1, &db, &e), 0);
    assert_int_equal(db_acquire(db, DB_WAIT, &c, &e), 0);
    assert_int_equal(db_script(c, "CREATE TABLE t (x TEXT)", &e), 0);
    pragma(c, "PRAGMA max_page_count=20", value);
    assert_int_equal(db_begin_write(c, &e), 0);
    for (;; rows++) {
        assert_int_equal(db_prepare(c, "INSERT INTO t VALUES (hex(zeroblob(1000)))", &s, &e), 0);
        if (db_run(s, NULL, &e) < 0)
            break;
    }
    assert_true(rows > 10);
    assert_int_equal(e.kind, ERROR_UNAVAILABLE);
    assert_int_equal(db_prepare(c, "INSERT INTO t VALUES ('small')", &s, &e), 0);
    if (db_run(s, NULL, &e) < 0)
        assert_int_equal(e.kind, ERROR_UNAVAILABLE);
    db_rollback(c);
    assert_string_equal(pragma(c, "SELECT COUNT(*) FROM t", value), "0");
    assert_int_equal(db_begin_write(c, &e), 0); /* the turn was given on */
    assert_int_equal(db_prepare(c, "INSERT INTO t VALUES ('small')", &s, &e), 0);
    assert_int_equal(db_run(s, NULL, &e), 0);
    assert_int_equal(db_commit(c, &e), 0);
    assert_string_equal(pragma(c, "SELECT COUNT(*) FROM t", value), "1");
    db_release(&c);
    db_close(db);
    unlink("x");
}

static void test_memory_is_shared_by_one_pool(void **state)
{
    struct db *one, *two;
    struct db_conn *c, *other;
    bool has;

    (void)state;
    assert_int_equal(db_open("sqlite://", true, 1, &one, &e), 0);
    assert_int_equal(db_open("sqlite://", true, 1, &two, &e), 0);
    assert_int_equal(db_acquire(one, DB_WAIT, &c, &e), 0);
    assert_int_equal(db_script(c, "CREATE TABLE t (x)", &e), 0);
    assert_int_equal(db_acquire(one, DB_WAIT, &other, &e), 0);
    assert_int_equal(db_has_table(other, "t", &has, &e), 0);
    assert_true(has);
    db_release(&other);
    db_release(&c);
    assert_int_equal(db_acquire(two, DB_WAIT, &c, &e), 0);
    assert_int_equal(db_has_table(c, "t", &has, &e), 0);
    assert_false(has);
    db_release(&c);
    db_close(one);
    db_close(two);
}

static void test_bad_parameter(void **state)
{
    struct db *db;
    struct db_conn *c;
    struct db_stmt *s;

    (void)state;
    assert_int_equal(db_open("sqlite://", true, 1, &db, &e), 0);
    assert_int_equal(db_acquire(db, DB_WAIT, &c, &e), 0);
    assert_int_equal(db_prepare(c, "SELECT ?1", &s, &e), 0);
    db_bind_int(s, 2, 1);
    assert_int_equal(db_step(s, &e), -1);
    assert_int_equal(e.kind, ERROR_INTERNAL);
    db_release(&c);
    db_close(db);
}

static void test_metrics(void **state)
{
    CLEANUP(str_done) struct str out = STR_INIT;
    struct db *db;
    struct db_conn *c;

    (void)state;
    assert_int_equal(db_open("sqlite://", true, 1, &db, &e), 0);
    assert_int_equal(db_acquire(db, DB_WAIT, &c, &e), 0);
    db_release(&c);
    db_close(db);
    metrics_write(&out);
    assert_non_null(strstr(str_text(&out), "glint_db_seconds_count{operation=\"connect\"}"));
    assert_non_null(strstr(str_text(&out), "glint_db_seconds_bucket{operation=\"commit\",le="));
}

static bool file_has(const char *name, const char *what)
{
    static char text[1 << 20];
    int fd = open(name, O_RDONLY);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text);

    if (fd >= 0)
        close(fd);
    return n > 0 && memmem(text, (size_t)n, what, strlen(what)) != NULL;
}

/* In the file and in the log, also of a value that has pages of its own. */
static void test_what_was_forgotten_is_in_no_file(void **state)
{
    CLEANUP(str_done) struct str secret = STR_INIT;
    struct db_conn *c, *reader;
    struct db_stmt *s;
    struct db *db;

    (void)state;
    for (int i = 0; i < 3000; i++)
        str_addf(&secret, "secret-%d,", i);
    assert_int_equal(db_open("sqlite:///forget", true, 2, &db, &e), 0);
    assert_int_equal(db_acquire(db, DB_WAIT, &c, &e), 0);
    assert_int_equal(db_acquire(db, DB_WAIT, &reader, &e), 0);
    assert_int_equal(db_script(c, "CREATE TABLE t (v TEXT); INSERT INTO t VALUES ('other');", &e), 0);
    assert_int_equal(db_prepare(c, "INSERT INTO t VALUES (?1)", &s, &e), 0);
    db_bind_text(s, 1, str_text(&secret));
    assert_int_equal(db_run(s, NULL, &e), 0);
    assert_int_equal(db_forget(c, &e), 0);
    assert_true(file_has("forget", "secret-2999,"));
    assert_int_equal(db_begin_read(reader, &e), 0); /* it reads the state that has the secret */
    assert_int_equal(db_prepare(reader, "SELECT count(*) FROM t", &s, &e), 0);
    assert_int_equal(db_step(s, &e), 1);
    assert_int_equal(db_script(c, "DELETE FROM t WHERE v LIKE 'secret%'", &e), 0);
    assert_int_equal(db_forget(c, &e), -1);
    assert_int_equal(e.kind, ERROR_UNAVAILABLE);
    db_rollback(reader);
    assert_int_equal(db_forget(c, &e), 0);
    assert_false(file_has("forget", "secret-1,") || file_has("forget", "secret-2999,"));
    assert_false(file_has("forget-wal", "secret-1,") || file_has("forget-wal", "secret-2999,"));
    assert_true(file_has("forget", "other"));
    db_release(&reader);
    db_release(&c);
    db_close(db);
    assert_int_equal(unlink("forget"), 0);
}

/* Of the file and of the log beside it, whatever the umask. */
static int nothing(struct db_conn *c UNUSED, void *arg UNUSED, struct error *failed UNUSED)
{
    return 0;
}

/* A file that cannot be looked at is not said to be gone. */
static void test_what_is_said_of_a_file_that_is_away(void **state)
{
    static const struct db_unit unit = { "test", nothing, db_unit_idempotent };
    struct db *db;

    (void)state;
    assert_int_equal(db_open("sqlite:///away", true, 1, &db, &e), 0);
    assert_int_equal(db_write(db, &unit, NULL, &e), 0);
    assert_int_equal(rename("away", "aside"), 0);
    assert_int_equal(db_write(db, &unit, NULL, &e), -1);
    assert_non_null(strstr(e.detail, "was removed or replaced"));
    assert_int_equal(symlink("away", "away"), 0);
    assert_int_equal(db_write(db, &unit, NULL, &e), -1);
    assert_int_equal(e.kind, ERROR_UNAVAILABLE);
    assert_non_null(strstr(e.detail, "cannot be looked at: Too many levels of symbolic links"));
    assert_int_equal(unlink("away"), 0);
    assert_int_equal(rename("aside", "away"), 0);
    assert_int_equal(db_write(db, &unit, NULL, &e), 0);
    db_close(db);
    assert_int_equal(unlink("away"), 0);
}

static void test_others_cannot_read_the_files(void **state)
{
    static const struct {
        mode_t mask, mode;
    } cases[] = { { 0, 0660 }, { 022, 0640 }, { 077, 0600 } };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        mode_t before = umask(cases[i].mask);
        struct db_conn *c;
        struct stat st;
        struct db *db;

        assert_int_equal(db_open("sqlite:///mode", true, 1, &db, &e), 0);
        assert_int_equal(db_acquire(db, DB_WAIT, &c, &e), 0);
        assert_int_equal(db_script(c, "CREATE TABLE t (v TEXT)", &e), 0);
        assert_int_equal(stat("mode", &st), 0);
        assert_int_equal(st.st_mode & 07777, cases[i].mode);
        assert_int_equal(stat("mode-wal", &st), 0);
        assert_int_equal(st.st_mode & 07777, cases[i].mode);
        db_release(&c);
        db_close(db);
        assert_int_equal(unlink("mode"), 0);
        umask(before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_bad_urls),
        cmocka_unit_test(test_missing_file),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_memory_is_shared_by_one_pool),
        cmocka_unit_test(test_bad_parameter),
        cmocka_unit_test(test_metrics),
        cmocka_unit_test(test_what_was_forgotten_is_in_no_file),
        cmocka_unit_test(test_what_is_said_of_a_file_that_is_away),
        cmocka_unit_test(test_others_cannot_read_the_files),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
