/* SPDX-License-Identifier: Apache-2.0 */
/* The misbehaving twin: passes everything to another driver, but fails the n-th call that can fail, before
 * the other driver sees it. A commit that fails has undone the transaction, as drivers must, unless its fault is
 * that it went through. */
#include "db/driver.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

struct fault_db {
    struct db head;
    struct db *inner;
};

struct fault_conn {
    struct db_conn head;
    struct db_conn *inner;
};

struct fault_stmt {
    struct db_stmt head;
    struct db_stmt *inner;
};

static _Atomic long left; /* calls until the failing one; 0: none will fail */
static _Atomic bool fired;
static _Atomic int kind;

void db_fault_arm(long n, enum error_kind failure)
{
    atomic_store(&kind, (int)failure);
    atomic_store(&fired, false);
    atomic_store(&left, n);
}

bool db_fault_fired(void)
{
    return atomic_load(&fired);
}

static int trip(const char *call, struct error *e)
{
    if (atomic_load(&left) <= 0 || atomic_fetch_sub(&left, 1) != 1)
        return 0;
    atomic_store(&fired, true);
    error_set(e, (enum error_kind)atomic_load(&kind), "The database is not available");
    return error_detail(e, "injected into %s", call);
}

/* ---- faults of units ---- */

static struct {
    pthread_mutex_t lock;
    enum db_fault kind;
    long n, times;
    const char *units;
} armed = { .lock = PTHREAD_MUTEX_INITIALIZER };

void db_fault_units(enum db_fault failure, long n, long times, const char *units)
{
    WITH_MUTEX(&armed.lock);

    atomic_store(&fired, false);
    armed.kind = failure;
    armed.n = n;
    armed.times = times;
    armed.units = units;
}

static bool concerns(enum db_fault failure, const char *units, const char *unit, bool commit)
{
    return (failure == DB_FAULT_AGAIN || failure == DB_FAULT_LOST || commit) && fnmatch(units, unit, 0) == 0;
}

#ifdef GLINT_POINTS
enum { FAULT_LINE_MAX = 256 };

static void hit_note(const char *control, const char *kind_name, const char *unit, const char *call)
{
    char path[4096], line[FAULT_LINE_MAX + 64];
    int len = snprintf(line, sizeof line, "%s %s %s\n", kind_name, unit, call), fd;

    snprintf(path, sizeof path, "%s.hits", control);
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, line, (size_t)len) != len)
        log_warning("the fault in %s is not noted", unit);
    if (fd >= 0)
        close(fd);
}

static enum db_fault kind_named(const char *name)
{
    static const char *const names[] = { "none", "again", "lost", "done", "undone" };

    for (size_t i = 0; i < COUNT(names); i++)
        if (str_eq(names[i], name))
            return (enum db_fault)i;
    return DB_FAULT_NONE;
}

static enum db_fault count_down(int fd, const char *control, const char *unit, const char *call, bool commit)
{
    char line[FAULT_LINE_MAX], name[16], units[128];
    ssize_t got = pread(fd, line, sizeof line - 1, 0);
    enum db_fault found;
    long n;
    int len;

    if (got <= 0)
        return DB_FAULT_NONE;
    line[got] = '\0';
    if (sscanf(line, "%15s %ld %127s", name, &n, units) != 3)
        return DB_FAULT_NONE;
    found = kind_named(name);
    if (found == DB_FAULT_NONE || !concerns(found, units, unit, commit))
        return DB_FAULT_NONE;
    len = n <= 1 ? 0 : snprintf(line, sizeof line, "%s %ld %s\n", name, n - 1, units);
    if (pwrite(fd, line, (size_t)len, 0) != len || ftruncate(fd, len) < 0 || n > 1)
        return DB_FAULT_NONE;
    hit_note(control, name, unit, call);
    return found;
}

/* The file's line counts calls of all processes. */
static enum db_fault told_by_file(const char *unit, const char *call, bool commit)
{
    const char *control = getenv("GLINT_DB_FAULT");
    int fd = control ? open(control, O_RDWR | O_CLOEXEC) : -1;
    enum db_fault found = DB_FAULT_NONE;

    if (fd < 0)
        return DB_FAULT_NONE;
    if (flock(fd, LOCK_EX) == 0)
        found = count_down(fd, control, unit, call, commit);
    close(fd);
    return found;
}
#else
static enum db_fault told_by_file(const char *unit UNUSED, const char *call UNUSED, bool commit UNUSED)
{
    return DB_FAULT_NONE;
}
#endif

/* What is to happen to this call of a unit. */
static enum db_fault unit_fault(const struct db_conn *c, const char *call)
{
    bool commit = str_eq(call, "commit");
    WITH_MUTEX(&armed.lock);

    if (!c->unit)
        return DB_FAULT_NONE;
    if (armed.kind == DB_FAULT_NONE)
        return told_by_file(c->unit, call, commit);
    if (!concerns(armed.kind, armed.units, c->unit, commit) || --armed.n > 0 || armed.n + armed.times <= 0)
        return DB_FAULT_NONE;
    atomic_store(&fired, true);
    return armed.kind;
}

static int unit_fail(struct db_conn *c, enum db_fault failure, const char *call, struct error *e)
{
    bool commit_lost = failure == DB_FAULT_DONE || failure == DB_FAULT_UNDONE;

    c->broken = failure != DB_FAULT_AGAIN;
    error_set(e, commit_lost ? ERROR_UNCERTAIN : ERROR_AGAIN, "The database is not available");
    return error_detail(e, "injected into %s", call);
}

/* For calls other than commit. */
static void (*watch)(const char *call, bool write);

void db_fault_watch(void (*before)(const char *call, bool write))
{
    watch = before;
}

static void watched(const char *call, bool write)
{
    if (watch)
        watch(call, write);
}

static int trip_on(struct db_conn *c, const char *call, struct error *e)
{
    enum db_fault failure;

    if (trip(call, e) < 0)
        return -1;
    failure = unit_fault(c, call);
    return failure == DB_FAULT_NONE ? 0 : unit_fail(c, failure, call, e);
}

/* ---- the driver ---- */

static struct db_conn *conn(struct db_conn *c)
{
    return ((struct fault_conn *)c)->inner;
}

static struct db_stmt *stmt(struct db_stmt *s)
{
    return ((struct fault_stmt *)s)->inner;
}

static const struct db_driver *driver(const struct db *inner)
{
    return inner->driver;
}

/* The other driver looks at its own connection's state. */
static struct db_conn *synced(struct db_conn *c)
{
    conn(c)->in_transaction = c->in_transaction;
    conn(c)->in_write = c->in_write;
    return conn(c);
}

static int fault_open(const char *url, bool create, struct db **ret, struct error *e)
{
    const char *inner_url = strchr(url, '+');
    struct fault_db *db;
    struct db *inner;

    if (!inner_url || !str_starts(inner_url + 1, "sqlite:"))
        return error_set(e, ERROR_INVALID, "fault+ goes before a URL of SQLite");
    if (db_sqlite.open(inner_url + 1, create, &inner, e) < 0)
        return -1;
    inner->driver = &db_sqlite;
    db = mem_new(sizeof *db);
    db->inner = inner;
    snprintf(db->head.describe, sizeof db->head.describe, "%.480s, with injected faults", inner->describe);
    *ret = &db->head;
    return 0;
}

static void fault_close(struct db *head)
{
    struct fault_db *db = (struct fault_db *)head;

    driver(db->inner)->close(db->inner);
    mem_free(db);
}

static int fault_connect(struct db *head, enum db_wait wait, struct db_conn **ret, struct error *e)
{
    struct db *inner = ((struct fault_db *)head)->inner;
    struct db_conn *c;
    struct fault_conn *outer;

    if (trip("connect", e) < 0 || driver(inner)->connect(inner, wait, &c, e) < 0)
        return -1;
    c->db = inner;
    outer = mem_new(sizeof *outer);
    outer->inner = c;
    *ret = &outer->head;
    return 0;
}

static void fault_disconnect(struct db_conn *c)
{
    driver(conn(c)->db)->disconnect(conn(c));
    mem_free(c);
}

static void fault_set_wait(struct db_conn *c, enum db_wait wait)
{
    driver(conn(c)->db)->set_wait(conn(c), wait);
}

static int fault_reconnect(struct db_conn *c, struct error *e)
{
    return trip("connect", e) < 0 ? -1 : driver(conn(c)->db)->reconnect(conn(c), e);
}

static int fault_begin(struct db_conn *c, bool write, struct error *e)
{
    watched("begin", write);
    return trip_on(c, "begin", e) < 0 ? -1 : driver(conn(c)->db)->begin(conn(c), write, e);
}

static int fault_commit(struct db_conn *c, struct error *e)
{
    const struct db_driver *d = driver(conn(c)->db);

    enum db_fault failure = DB_FAULT_NONE;

    watched("commit", false);
    if (trip("commit", e) < 0) {
        d->rollback(conn(c));
        return -1;
    }
    failure = unit_fault(c, "commit");
    if (failure == DB_FAULT_NONE || failure == DB_FAULT_DONE) {
        if (d->commit(conn(c), e) < 0)
            return -1;
    } else {
        d->rollback(conn(c));
    }
    return failure == DB_FAULT_NONE ? 0 : unit_fail(c, failure, "commit", e);
}

static void fault_rollback(struct db_conn *c)
{
    watched("rollback", false);
    driver(conn(c)->db)->rollback(conn(c));
}

/* The twin claims to have row locks, so that the statements that take them run in tests, but SQLite has none. */
static const char *without_lock(const char *sql, char *room, size_t size)
{
    static const char suffix[] = " FOR UPDATE";
    size_t n = strlen(sql), cut = sizeof suffix - 1;

    if (n < cut || strcmp(sql + n - cut, suffix) != 0 || n >= size)
        return sql;
    memcpy(room, sql, n - cut);
    room[n - cut] = '\0';
    return room;
}

static int fault_prepare(struct db_conn *c, const char *sql, struct db_stmt **ret, struct error *e)
{
    char room[4096];
    struct fault_stmt *s;
    struct db_stmt *inner;

    sql = without_lock(sql, room, sizeof room);
    if (trip_on(c, "prepare", e) < 0 || driver(conn(c)->db)->prepare(conn(c), sql, &inner, e) < 0)
        return -1;
    inner->conn = conn(c);
    s = mem_new(sizeof *s);
    s->inner = inner;
    *ret = &s->head;
    return 0;
}

static void fault_finish(struct db_stmt *s)
{
    driver(stmt(s)->conn->db)->finish(stmt(s));
    mem_free(s);
}

static void fault_bind_text(struct db_stmt *s, int at, const char *text)
{
    driver(stmt(s)->conn->db)->bind_text(stmt(s), at, text);
}

static void fault_bind_int(struct db_stmt *s, int at, int64_t value)
{
    driver(stmt(s)->conn->db)->bind_int(stmt(s), at, value);
}

static void fault_bind_null(struct db_stmt *s, int at)
{
    driver(stmt(s)->conn->db)->bind_null(stmt(s), at);
}

static void fault_reset(struct db_stmt *s)
{
    driver(stmt(s)->conn->db)->reset(stmt(s));
}

static int fault_step(struct db_stmt *s, struct error *e)
{
    watched("step", false);
    if (trip_on(s->conn, "step", e) < 0) {
        fault_reset(s);
        return -1;
    }
    return driver(synced(s->conn)->db)->step(stmt(s), e);
}

static bool fault_is_null(struct db_stmt *s, int col)
{
    return driver(stmt(s)->conn->db)->is_null(stmt(s), col);
}

static const char *fault_text(struct db_stmt *s, int col)
{
    return driver(stmt(s)->conn->db)->text(stmt(s), col);
}

static int64_t fault_integer(struct db_stmt *s, int col)
{
    return driver(stmt(s)->conn->db)->integer(stmt(s), col);
}

static int64_t fault_changes(struct db_conn *c)
{
    return driver(conn(c)->db)->changes(conn(c));
}

static int64_t fault_last_id(struct db_conn *c)
{
    return driver(conn(c)->db)->last_id(conn(c));
}

static int fault_script(struct db_conn *c, const char *sql, struct error *e)
{
    return trip("script", e) < 0 ? -1 : driver(conn(c)->db)->script(conn(c), sql, e);
}

static int fault_has_table(struct db_conn *c, const char *name, bool *ret, struct error *e)
{
    return trip("has_table", e) < 0 ? -1 : driver(conn(c)->db)->has_table(conn(c), name, ret, e);
}

static int fault_wait(struct db_conn *c, struct pollfd *fds, size_t n, int timeout_ms, bool *ret,
                      struct error *e)
{
    return trip("wait", e) < 0 ? -1 : driver(conn(c)->db)->wait(conn(c), fds, n, timeout_ms, ret, e);
}

static int fault_forget(struct db_conn *c, struct error *e)
{
    return trip("forget", e) < 0 ? -1 : db_forget(conn(c), e);
}

/* clang-format off */
const struct db_driver db_fault = {
    .scheme = "fault",            .dialect = DB_SQLITE,           .row_locks = true,
    .open = fault_open,           .close = fault_close,
    .connect = fault_connect,     .disconnect = fault_disconnect,
    .set_wait = fault_set_wait,   .reconnect = fault_reconnect,
    .begin = fault_begin,         .commit = fault_commit,         .rollback = fault_rollback,
    .prepare = fault_prepare,     .finish = fault_finish,
    .bind_text = fault_bind_text, .bind_int = fault_bind_int,     .bind_null = fault_bind_null,
    .step = fault_step,           .reset = fault_reset,
    .is_null = fault_is_null,     .text = fault_text,             .integer = fault_integer,
    .changes = fault_changes,     .last_id = fault_last_id,
    .script = fault_script,       .has_table = fault_has_table,
    .wait = fault_wait,     .forget = fault_forget,
};
/* clang-format on */
