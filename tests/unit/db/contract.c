/* SPDX-License-Identifier: Apache-2.0 */
/* What every database driver owes to the rooms above: written against db.h alone, run over each kind of URL.
 */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "db/driver.h"
#include "test.h"

struct kind {
    const char *name;
    const char *url; /* %s is a path */
    bool snapshots;  /* readers do not wait for writers */
    bool processes;  /* several processes may share it */
};

static const struct kind kinds[] = {
    { "a file of SQLite", "sqlite:///%s", true, true },
    { "SQLite in memory", "sqlite://", false, false },
    { "the twin that misbehaves, not armed", "fault+sqlite:///%s", true, true },
};

static struct {
    const struct kind *kind;
    char dir[64], path[96], url[160];
    struct db *db;
    struct error e;
} t;

#define OK(call)                                                                                             \
    do {                                                                                                     \
        if ((call) < 0)                                                                                      \
            fail_msg("%s: %s:%d: %s: %s (%s)", t.kind->name, __FILE__, __LINE__, #call, t.e.message,         \
                     t.e.detail);                                                                            \
    } while (0)
#define CHECK(condition) CHECK_CASE(t.kind->name, condition)
#define FAILS(expected, call)                                                                                \
    do {                                                                                                     \
        CHECK((call) == -1);                                                                                 \
        if (t.e.kind != (expected))                                                                          \
            fail_msg("%s: %s: kind %d: %s (%s)", t.kind->name, #call, t.e.kind, t.e.message, t.e.detail);    \
    } while (0)

static const char schema[] =
    "CREATE TABLE things (id INTEGER NOT NULL, name VARCHAR(30), size BIGINT, ok BOOLEAN, at DATETIME, "
    "PRIMARY KEY (id), UNIQUE (name)); "
    "CREATE TABLE parts (id INTEGER NOT NULL, thing INTEGER NOT NULL, PRIMARY KEY (id), "
    "FOREIGN KEY (thing) REFERENCES things (id))";

static void start(const struct kind *kind)
{
    struct db_conn *c;

    memset(&t, 0, sizeof t);
    t.kind = kind;
    snprintf(t.dir, sizeof t.dir, "/tmp/glint-db-XXXXXX");
    CHECK(mkdtemp(t.dir));
    snprintf(t.path, sizeof t.path, "%s/x.sqlite", t.dir);
    if (strchr(kind->url, '%'))
        snprintf(t.url, sizeof t.url, "%.*s%s", (int)(strchr(kind->url, '%') - kind->url), kind->url, t.path);
    else
        str_copy(t.url, sizeof t.url, kind->url);
    OK(db_open(t.url, true, 4, &t.db, &t.e));
    OK(db_acquire(t.db, DB_WAIT, &c, &t.e));
    OK(db_script(c, schema, &t.e));
    db_release(&c);
}

static void stop(void)
{
    static const char *const ends[] = { "", "-wal", "-shm" };

    db_close(t.db);
    for (size_t i = 0; i < COUNT(ends); i++) {
        char path[128];

        snprintf(path, sizeof path, "%s%s", t.path, ends[i]);
        unlink(path);
    }
    CHECK(rmdir(t.dir) == 0); /* nothing else was left behind */
}

static struct db_conn *acquire(enum db_wait wait)
{
    struct db_conn *c;

    OK(db_acquire(t.db, wait, &c, &t.e));
    return c;
}

static struct db_stmt *prepare(struct db_conn *c, const char *sql)
{
    struct db_stmt *s;

    OK(db_prepare(c, sql, &s, &t.e));
    return s;
}

static int insert(struct db_conn *c, const char *name)
{
    struct db_stmt *s = prepare(c, "INSERT INTO things (name, size) VALUES (?1, 1)");

    db_bind_text(s, 1, name);
    return db_run(s, NULL, &t.e);
}

static int64_t count_things(struct db_conn *c)
{
    struct db_stmt *s = prepare(c, "SELECT COUNT(*) FROM things");
    int64_t n;

    CHECK(db_step(s, &t.e) == 1);
    n = db_int(s, 0);
    CHECK(db_step(s, &t.e) == 0);
    return n;
}

/* ---- values ---- */

static void check_values(void)
{
    struct db_conn *c = acquire(DB_WAIT);
    struct db_stmt *s = prepare(c, "INSERT INTO things (id, name, size, ok, at) VALUES (?1, ?2, ?3, ?4, ?5)");
    int64_t at = 1795336921 * CLOCK_SECOND + 42;
    char longest[5000];

    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    db_bind_int(s, 1, 7);
    db_bind_text(s, 2,
                 "Gr\xc3\xbc\xc3\x9f"
                 "e \xe2\x82\xac \xf0\x9f\x98\x80 'quoted' \"too\"");
    db_bind_int(s, 3, INT64_MAX);
    db_bind_bool(s, 4, true);
    db_bind_time(s, 5, at);
    OK(db_run(s, NULL, &t.e));
    s = prepare(c, "INSERT INTO things (id, name, size, ok, at) VALUES (?1, ?2, ?3, ?4, ?5)");
    db_bind_int(s, 1, 8);
    db_bind_text(s, 2, NULL);
    db_bind_null(s, 3);
    db_bind_bool(s, 4, false);
    db_bind_null(s, 5);
    OK(db_run(s, NULL, &t.e));
    s = prepare(c, "INSERT INTO things (id, name, size) VALUES (?1, ?2, ?3)");
    db_bind_int(s, 1, 9);
    db_bind_text(s, 2, longest);
    db_bind_int(s, 3, INT64_MIN);
    OK(db_run(s, NULL, &t.e));

    s = prepare(c, "SELECT id, name, size, ok, at FROM things ORDER BY id");
    CHECK(db_step(s, &t.e) == 1);
    CHECK(db_int(s, 0) == 7 && db_int(s, 2) == INT64_MAX && db_bool(s, 3) && db_time(s, 4) == at &&
          !db_is_null(s, 1));
    CHECK(strcmp(db_text(s, 1), "Gr\xc3\xbc\xc3\x9f"
                                "e \xe2\x82\xac \xf0\x9f\x98\x80 'quoted' \"too\"") == 0);
    CHECK(db_step(s, &t.e) == 1);
    CHECK(db_is_null(s, 1) && !db_text(s, 1) && db_is_null(s, 2) && db_int(s, 2) == 0 && !db_bool(s, 3) &&
          db_time(s, 4) == 0);
    CHECK(db_step(s, &t.e) == 1);
    CHECK(strcmp(db_text(s, 1), longest) == 0 && db_int(s, 2) == INT64_MIN);
    CHECK(db_step(s, &t.e) == 0);
    db_release(&c);
    CHECK(!c);
}

static void check_changes(void)
{
    struct db_conn *c = acquire(DB_WAIT);
    int64_t changed = -1, first, second;
    struct db_stmt *s;

    s = prepare(c, "INSERT INTO things (name) VALUES (?1)");
    db_bind_text(s, 1, "a");
    OK(db_insert(s, &first, &t.e));
    s = prepare(c, "INSERT INTO things (name) VALUES (?1)");
    db_bind_text(s, 1, "b");
    OK(db_insert(s, &second, &t.e));
    CHECK(first > 0 && second > first);
    s = prepare(c, "UPDATE things SET size = ?1");
    db_bind_int(s, 1, 5);
    OK(db_run(s, &changed, &t.e));
    CHECK(changed == 2);
    s = prepare(c, "DELETE FROM things WHERE name = ?1");
    db_bind_text(s, 1, "nobody");
    OK(db_run(s, &changed, &t.e));
    CHECK(changed == 0);
    db_release(&c);
}

static void check_conflicts(void)
{
    struct db_conn *c = acquire(DB_WAIT);
    struct db_stmt *s;
    struct error e;

    OK(db_begin_write(c, &t.e));
    OK(insert(c, "a"));
    FAILS(ERROR_CONFLICT, insert(c, "a"));
    CHECK(*t.e.detail);
    OK(insert(c, "b")); /* the failure undid its own statement only */
    OK(db_commit(c, &t.e));
    CHECK(count_things(c) == 2);
    s = prepare(c, "INSERT INTO parts (thing) VALUES (?1)");
    db_bind_int(s, 1, 999);
    FAILS(ERROR_CONFLICT, db_run(s, NULL, &t.e));
    FAILS(ERROR_INTERNAL, db_prepare(c, "SELECT nonsense FROM nowhere", &s, &t.e));
    FAILS(ERROR_INTERNAL, db_script(c, "CREATE TABLE", &t.e));
    CHECK(db_prepare(c, "", &s, &e) == -1);
    db_release(&c);
}

static void check_statement_cache(void)
{
    static const char sql[] = "SELECT name FROM things WHERE name = ?1 OR ?2 IS NULL ORDER BY name";
    struct db_conn *c = acquire(DB_WAIT);
    struct db_stmt *s = prepare(c, sql), *same;

    OK(insert(c, "a"));
    OK(insert(c, "b"));
    db_bind_text(s, 1, "b");
    db_bind_text(s, 2, "b");
    CHECK(db_step(s, &t.e) == 1);
    same = prepare(c, sql);
    CHECK(same == s); /* and reset, and without the old value */
    CHECK(db_step(s, &t.e) == 1 && strcmp(db_text(s, 0), "a") == 0);
    db_reset(s);
    OK(db_prepare_text(c, "SELECT 1", &s, &t.e));
    for (int i = 0; i < 300; i++) {
        char text[40], again[40];
        struct db_stmt *one, *two;

        snprintf(text, sizeof text, "SELECT %d", i + 1000);
        OK(db_prepare_text(c, text, &one, &t.e));
        CHECK(db_step(one, &t.e) == 1 && db_int(one, 0) == i + 1000);
        db_reset(one);
        str_copy(again, sizeof again, text);
        OK(db_prepare_text(c, again, &two, &t.e));
        CHECK(one == two);
    }
    for (int i = 0; i < 200; i++) { /* more than fit by address, too */
        static char texts[200][24];

        snprintf(texts[i], sizeof texts[i], "SELECT %d", i);
        s = prepare(c, texts[i]);
        CHECK(db_step(s, &t.e) == 1 && db_int(s, 0) == i);
    }
    s = prepare(c, sql);
    CHECK(s == same);
    db_release(&c);
}

/* ---- transactions ---- */

/* Some databases bind by position. */
static void check_parameter_order(void)
{
    static const char *const wrong[] = { "SELECT ?2, ?1", "SELECT ?1, ?1", "SELECT ?2", "SELECT ?1, ?3, ?2" };
    static const char *const right[] = { "SELECT ?1, ?2", "SELECT '?2', ?1", "SELECT 'it''s ?5', ?1",
                                         "SELECT 1" };
    CLEANUP(db_release) struct db_conn *c = acquire(DB_WAIT);
    struct db_stmt *s;

    for (size_t i = 0; i < COUNT(wrong); i++) {
        assert_int_equal(db_prepare_text(c, wrong[i], &s, &t.e), -1);
        assert_int_equal(t.e.kind, ERROR_INTERNAL);
    }
    for (size_t i = 0; i < COUNT(right); i++)
        OK(db_prepare_text(c, right[i], &s, &t.e));
}

static void check_rollback(void)
{
    struct db_conn *c = acquire(DB_WAIT);

    OK(db_begin_write(c, &t.e));
    CHECK(db_in_transaction(c));
    FAILS(ERROR_INTERNAL, db_begin_read(c, &t.e));
    OK(insert(c, "a"));
    db_rollback(c);
    db_rollback(c);
    CHECK(!db_in_transaction(c) && count_things(c) == 0);
    FAILS(ERROR_INTERNAL, db_commit(c, &t.e));
    OK(db_begin_write(c, &t.e));
    OK(insert(c, "a"));
    db_release(&c); /* leaving is a rollback */
    c = acquire(DB_WAIT);
    CHECK(count_things(c) == 0);
    OK(db_begin_write(c, &t.e));
    OK(insert(c, "a"));
    OK(db_commit(c, &t.e));
    CHECK(count_things(c) == 1);
    db_release(&c);
}

static void check_snapshot(void)
{
    struct db_conn *reader = acquire(DB_WAIT), *writer = acquire(DB_WAIT);

    if (!t.kind->snapshots) {
        OK(insert(writer, "a"));
        CHECK(count_things(reader) == 1);
    } else {
        OK(db_begin_read(reader, &t.e));
        CHECK(count_things(reader) == 0);
        OK(db_begin_write(writer, &t.e));
        OK(insert(writer, "a"));
        CHECK(count_things(reader) == 0);
        OK(db_commit(writer, &t.e));
        CHECK(count_things(reader) == 0); /* its snapshot is older */
        OK(db_commit(reader, &t.e));
        CHECK(count_things(reader) == 1);
    }
    db_release(&reader);
    db_release(&writer);
}

/* A statement left in the middle must not keep its snapshot when a write begins, nor once the connection is
 * back. */
static void check_unfinished_statement(void)
{
    struct db_conn *c = acquire(DB_WAIT), *writer;
    struct db_stmt *s;

    OK(insert(c, "a"));
    OK(insert(c, "b"));
    if (t.kind->snapshots) {
        s = prepare(c, "SELECT name FROM things");
        CHECK(db_step(s, &t.e) == 1);
        writer = acquire(DB_WAIT);
        OK(insert(writer, "between"));
        db_release(&writer);
        OK(db_begin_write(c, &t.e));
        OK(insert(c, "after"));
        OK(db_commit(c, &t.e));
        OK(db_script(c, "DELETE FROM things WHERE name IN ('between', 'after')", &t.e));
    }
    s = prepare(c, "SELECT name FROM things");
    CHECK(db_step(s, &t.e) == 1);
    OK(db_prepare_text(c, "SELECT name, size FROM things", &s, &t.e));
    CHECK(db_step(s, &t.e) == 1);
    db_release(&c);
    writer = acquire(DB_WAIT);
    c = acquire(DB_WAIT);
    OK(insert(writer, "c"));
    CHECK(count_things(c) == 3);
    db_release(&c);
    db_release(&writer);
}

static void check_nowait(void)
{
    struct db_conn *writer = acquire(DB_WAIT), *c = acquire(DB_NOWAIT), *more[6] = { NULL };
    int64_t start_us = clock_mono_us();

    FAILS(ERROR_WOULD_BLOCK, db_begin_write(c, &t.e));
    OK(db_begin_write(writer, &t.e));
    OK(insert(writer, "a"));
    FAILS(ERROR_WOULD_BLOCK, insert(c, "b"));
    if (t.kind->snapshots)
        CHECK(count_things(c) == 0);
    for (int i = 0; i < 6; i++) { /* more than the pool has: connecting must not wait either */
        if (db_acquire(t.db, DB_NOWAIT, &more[i], &t.e) < 0)
            CHECK(t.e.kind == ERROR_WOULD_BLOCK && !t.kind->snapshots);
    }
    for (int i = 0; i < 6; i++)
        db_release(&more[i]);
    OK(db_commit(writer, &t.e));
    CHECK(count_things(c) == 1);
    CHECK(clock_mono_us() - start_us < 5 * CLOCK_SECOND);
    db_release(&c);
    db_release(&writer);
    for (int i = 0; i < 2; i++) { /* the pool does not hand it on as it was */
        c = acquire(DB_WAIT);
        OK(db_begin_write(c, &t.e));
        db_rollback(c);
        writer = acquire(DB_NOWAIT);
        FAILS(ERROR_WOULD_BLOCK, db_begin_write(writer, &t.e));
        db_release(&writer);
        db_release(&c);
    }
}

static void check_has_table(void)
{
    struct db_conn *c = acquire(DB_WAIT);
    bool has = false;

    OK(db_has_table(c, "things", &has, &t.e));
    CHECK(has);
    OK(db_has_table(c, "thing's", &has, &t.e));
    CHECK(!has);
    db_release(&c);
}

static bool changed(struct db_conn *c)
{
    bool ret;

    OK(db_wait(c, NULL, 0, 0, &ret, &t.e));
    return ret;
}

static void check_changed(void)
{
    struct db_conn *c = acquire(DB_WAIT), *other = acquire(DB_WAIT);

    CHECK(changed(c));
    CHECK(!changed(c));
    CHECK(insert(other, "a") == 0);
    CHECK(changed(c));
    CHECK(!changed(c));
    CHECK(insert(c, "b") == 0); /* its own it knows of */
    CHECK(!changed(c));
    OK(db_begin_write(other, &t.e));
    CHECK(insert(other, "c") == 0);
    CHECK(!t.kind->snapshots || !changed(c));
    OK(db_commit(other, &t.e));
    CHECK(changed(c));
    db_release(&other);
    db_release(&c);
}

static void *insert_later(void *arg)
{
    usleep(30000);
    CHECK(insert(arg, "later") == 0);
    return NULL;
}

/* A write of another, a descriptor, or the time ends it. */
static void check_wait(void)
{
    struct db_conn *c = acquire(DB_WAIT), *other = acquire(DB_WAIT);
    struct pollfd fd = { .events = POLLIN };
    int64_t began = clock_mono_us();
    pthread_t thread;
    int ends[2];
    bool ret;

    CHECK(pipe(ends) == 0);
    fd.fd = ends[0];
    CHECK(changed(c));
    OK(db_wait(c, &fd, 1, 20, &ret, &t.e));
    CHECK(!ret && fd.revents == 0 && clock_mono_us() - began >= 20000);
    CHECK(pthread_create(&thread, NULL, insert_later, other) == 0);
    OK(db_wait(c, &fd, 1, 60000, &ret, &t.e));
    pthread_join(thread, NULL);
    CHECK(ret);
    CHECK(write(ends[1], "x", 1) == 1);
    OK(db_wait(c, &fd, 1, 60000, &ret, &t.e));
    CHECK(fd.revents & POLLIN);
    close(ends[0]);
    close(ends[1]);
    db_release(&other);
    db_release(&c);
}

/* ---- many at once ---- */

enum { THREADS = 8, ROUNDS = 25 };

static atomic_int failures;

/* Reads before it writes, inside the transaction: the sum is right only if writers take turns. */
static int add_one(struct db *db, struct error *e)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    struct db_stmt *s;
    int64_t size;

    if (db_acquire(db, DB_WAIT, &c, e) < 0 || db_begin_write(c, e) < 0 ||
        db_prepare(c, "SELECT size FROM things WHERE name = 'sum'", &s, e) < 0 || db_step(s, e) != 1)
        return -1;
    size = db_int(s, 0);
    db_reset(s);
    if (db_prepare(c, "UPDATE things SET size = ?1 WHERE name = 'sum'", &s, e) < 0)
        return -1;
    db_bind_int(s, 1, size + 1);
    if (db_run(s, NULL, e) < 0)
        return -1;
    return db_commit(c, e);
}

static void *write_many(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct error e;

        if (add_one(arg, &e) < 0) {
            fprintf(stderr, "%s: %s\n", e.message, e.detail);
            atomic_fetch_add(&failures, 1);
        }
    }
    return NULL;
}

static void *read_many(void *arg)
{
    for (int i = 0; i < 4 * ROUNDS; i++) {
        CLEANUP(db_release) struct db_conn *c = NULL;
        struct db_stmt *s;
        struct error e;

        if (db_acquire(arg, DB_WAIT, &c, &e) < 0 ||
            db_prepare(c, "SELECT size FROM things WHERE name = 'sum'", &s, &e) < 0 || db_step(s, &e) != 1) {
            fprintf(stderr, "%s: %s\n", e.message, e.detail);
            atomic_fetch_add(&failures, 1);
        }
    }
    return NULL;
}

static void expect_sum(int64_t sum)
{
    struct db_conn *c = acquire(DB_WAIT);
    struct db_stmt *s = prepare(c, "SELECT size FROM things WHERE name = 'sum'");

    CHECK(db_step(s, &t.e) == 1);
    CHECK(db_int(s, 0) == sum);
    db_release(&c);
}

static void insert_sum(void)
{
    struct db_conn *c = acquire(DB_WAIT);

    OK(insert(c, "sum"));
    db_release(&c);
    atomic_store(&failures, 0);
}

static void check_threads(void)
{
    pthread_t threads[THREADS + 2];

    insert_sum();
    for (int i = 0; i < THREADS + 2; i++)
        CHECK(thread_start(&threads[i], "test", THREAD_STACK, i < THREADS ? write_many : read_many, t.db) ==
              0);
    for (int i = 0; i < THREADS + 2; i++)
        pthread_join(threads[i], NULL);
    CHECK(atomic_load(&failures) == 0);
    expect_sum(1 + THREADS * ROUNDS);
}

/* Writers are let in as they came. Each of them has been asleep for a while before the next one starts. */
enum { QUEUE = 6, ASLEEP_MS = 20, PATIENCE_MS = 10000 };

static struct {
    struct db_conn *conns[QUEUE];
    _Atomic pid_t threads[QUEUE]; /* those that are about to begin */
    int order[QUEUE], n;
} let_in;

static bool sleeps(pid_t thread)
{
    char path[64], text[512] = "";
    const char *state;
    FILE *in;

    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)thread);
    in = fopen(path, "re");
    if (!in)
        return false;
    text[fread(text, 1, sizeof text - 1, in)] = '\0';
    fclose(in);
    state = strrchr(text, ')');
    return state && str_starts(state, ") S");
}

static void wait_until_queued(int me)
{
    int asleep = 0;

    for (int ms = 0; asleep < ASLEEP_MS && ms < PATIENCE_MS; ms++) {
        pid_t thread = atomic_load(&let_in.threads[me]);

        asleep = thread && sleeps(thread) ? asleep + 1 : 0;
        usleep(1000);
    }
    CHECK(asleep == ASLEEP_MS);
}

static void *write_in_turn(void *arg)
{
    int me = *(int *)arg;
    struct error e;

    atomic_store(&let_in.threads[me], gettid());
    if (db_begin_write(let_in.conns[me], &e) < 0) {
        atomic_fetch_add(&failures, 1);
        return NULL;
    }
    let_in.order[let_in.n++] = me; /* the writer's place is the lock */
    usleep(2000);
    if (db_commit(let_in.conns[me], &e) < 0)
        atomic_fetch_add(&failures, 1);
    return NULL;
}

static void check_order_of_writers(void)
{
    struct db_conn *c = acquire(DB_WAIT);
    pthread_t threads[QUEUE];
    int names[QUEUE];

    atomic_store(&failures, 0);
    let_in.n = 0;
    for (int i = 0; i < QUEUE; i++) {
        let_in.conns[i] = acquire(DB_WAIT);
        atomic_store(&let_in.threads[i], 0);
    }
    OK(db_begin_write(c, &t.e));
    for (int i = 0; i < QUEUE; i++) {
        names[i] = i;
        CHECK(thread_start(&threads[i], "test", THREAD_STACK, write_in_turn, &names[i]) == 0);
        wait_until_queued(i);
    }
    OK(db_commit(c, &t.e));
    for (int i = 0; i < QUEUE; i++)
        pthread_join(threads[i], NULL);
    CHECK(atomic_load(&failures) == 0 && let_in.n == QUEUE);
    for (int i = 0; i < QUEUE; i++)
        CHECK(let_in.order[i] == i);
    for (int i = 0; i < QUEUE; i++)
        db_release(&let_in.conns[i]);
    db_release(&c);
}

/* Another process opens the same database by itself; two threads of each write. */
static void write_from_here(void)
{
    pthread_t threads[2];
    struct db *db;

    OK(db_open(t.url, false, 2, &db, &t.e));
    for (int i = 0; i < 2; i++)
        CHECK(thread_start(&threads[i], "test", THREAD_STACK, write_many, db) == 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    db_close(db);
}

static void check_processes(void)
{
    pid_t children[2];

    if (!t.kind->processes)
        return;
    insert_sum();
    db_close(t.db); /* a connection must not go through fork() */
    t.db = NULL;
    for (int i = 0; i < 2; i++) {
        children[i] = fork();
        CHECK(children[i] >= 0);
        if (children[i] == 0) {
            write_from_here();
            _exit(atomic_load(&failures) != 0);
        }
    }
    for (int i = 0; i < 2; i++) {
        int status = -1;

        CHECK(waitpid(children[i], &status, 0) == children[i]);
        CHECK(status == 0);
    }
    OK(db_open(t.url, false, 4, &t.db, &t.e));
    expect_sum(1 + 2 * 2 * ROUNDS);
}

/* ---- */

static void (*const checks[])(void) = {
    check_values,
    check_changes,
    check_conflicts,
    check_statement_cache,
    check_parameter_order,
    check_rollback,
    check_snapshot,
    check_nowait,
    check_has_table,
    check_unfinished_statement,
    check_threads,
    check_order_of_writers,
    check_processes,
    check_changed,
    check_wait,
};

static void test_contract(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT(kinds); k++) {
        for (size_t i = 0; i < COUNT(checks); i++) {
            start(&kinds[k]);
            checks[i]();
            stop();
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_contract) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
