/* SPDX-License-Identifier: Apache-2.0 */
/* SQLite in WAL mode: readers see a snapshot and never wait; writers take turns.
 *
 * SQLite lets one connection write at a time and refuses the others, in no order. So:
 *  1 Within the process a writer first queues for its turn (struct turn), in order of arrival.
 *  2 Whoever has the turn says BEGIN IMMEDIATE; only another process can make it wait then, which the busy
 *    handler does, up to WAIT_US counted from the beginning of 1.
 *  3 From there on no lock is missing, so that neither a statement nor the commit can fail for one.
 *  4 The turn is given on by commit and rollback, whatever they return.
 *
 * A memory database lives in SQLite's memdb file system, shared by the pool's connections. It has no WAL:
 * there a reader waits for the writer and the writer's commit for readers. */
#include "db/driver.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PAGE_CACHE_KIB = 2000, SECONDS_WAIT = 60, LOOK_US = 1000000 };
#define WAIT_US   (SECONDS_WAIT * CLOCK_SECOND)
#define FORGET_US (CLOCK_SECOND / 5)

struct turn {
    pthread_cond_t cond;
    bool granted;
    struct turn *next;
};

struct sqlite_db {
    struct db head;
    char *file; /* as sqlite3_open_v2() takes it */
    bool memory;
    pthread_mutex_t lock;      /* guards what follows */
    bool writing;              /* somebody has the turn */
    struct turn *waiting;      /* first in the queue */
    struct sqlite_conn *spare; /* made by open(): the first connection, or what keeps the memory alive */
    dev_t device;              /* of the file that was opened */
    ino_t inode;
    _Atomic int64_t look_at_us; /* monotonic: when reads look again whether it is still there */
};

struct sqlite_conn {
    struct db_conn head;
    struct sqlite_db *db;
    sqlite3 *handle;
    sqlite3_stmt *begin, *begin_immediate, *commit, *rollback, *version;
    bool nowait, has_turn;
    int64_t wait_until_us; /* of a write that begins; 0: counted from the first refusal */
    int64_t busy_since_us; /* that first refusal */
};

struct sqlite_stmt {
    struct db_stmt head;
    sqlite3_stmt *handle;
    int bind_failed; /* first result code of a bind that was not SQLITE_OK */
};

static struct sqlite_db *as_db(struct db *db)
{
    return (struct sqlite_db *)db;
}

static struct sqlite_conn *as_conn(struct db_conn *c)
{
    return (struct sqlite_conn *)c;
}

static struct sqlite_stmt *as_stmt(struct db_stmt *s)
{
    return (struct sqlite_stmt *)s;
}

/* ---- errors ---- */

static enum error_kind kind_of(const struct sqlite_conn *c, int rc)
{
    switch (rc) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
    case SQLITE_CONSTRAINT_FOREIGNKEY:
        return ERROR_CONFLICT;
    default:
        break;
    }
    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return c->nowait ? ERROR_WOULD_BLOCK : ERROR_UNAVAILABLE;
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_NOMEM:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_PROTOCOL:
    case SQLITE_NOLFS:
        return ERROR_UNAVAILABLE;
    default:
        return ERROR_INTERNAL;
    }
}

static int fail(struct sqlite_conn *c, int rc, const char *sql, struct error *e)
{
    static const char *const messages[ERROR_KINDS] = {
        [ERROR_CONFLICT] = "The row exists already or belongs to one that does not",
        [ERROR_WOULD_BLOCK] = "The database is in use",
        [ERROR_UNAVAILABLE] = "The database is not available",
        [ERROR_INTERNAL] = "The database refused a statement",
    };
    enum error_kind kind = kind_of(c, rc);
    int primary = rc & 0xff;
    int os = primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN ? sqlite3_system_errno(c->handle) : 0;

    if (kind == ERROR_UNAVAILABLE && primary != SQLITE_BUSY && primary != SQLITE_FULL)
        c->head.broken = true;
    error_set(e, kind, "%s", messages[kind]);
    error_detail(e, "SQLite %d: %s", rc, sqlite3_errmsg(c->handle));
    if (os)
        error_detail(e, "%s", strerrordesc_np(os) ? strerrordesc_np(os) : "unknown errno");
    if (os == EACCES)
        error_detail(e, "as user id %u", (unsigned)geteuid());
    return sql ? error_detail(e, "in: %.120s", sql) : -1;
}

/* ---- the file ---- */

/* A file that was removed or replaced goes on for who has it open, and what is committed there is lost with
 * the last who closes it. */
static int file_look(struct sqlite_db *db, struct error *e)
{
    struct stat st;

    if (db->memory)
        return 0;
    if (stat(db->file, &st) == 0 && st.st_dev == db->device && st.st_ino == db->inode)
        return 0;
    error_set(e, ERROR_UNAVAILABLE, "The database is not available");
    return error_detail(e, "%s was removed or replaced: put it back, or start the service again", db->file);
}

/* Before reads, at most once in LOOK_US while all is well. */
static int sqlite_look(struct db *head, struct error *e)
{
    struct sqlite_db *db = as_db(head);
    int64_t now = clock_mono_us();

    if (db->memory || now < db->look_at_us)
        return 0;
    if (file_look(db, e) < 0)
        return -1;
    db->look_at_us = now + LOOK_US;
    return 0;
}

/* ---- writers' turns ---- */

static void deadline_of(int64_t until_us, struct timespec *ret)
{
    ret->tv_sec = (time_t)(until_us / CLOCK_SECOND);
    ret->tv_nsec = (long)(until_us % CLOCK_SECOND) * 1000;
}

static void turn_leave(struct sqlite_db *db, const struct turn *me)
{
    struct turn **at = &db->waiting;

    while (*at != me)
        at = &(*at)->next;
    *at = me->next;
}

/* Waits in the queue; false when the time is over. */
static bool turn_wait(struct sqlite_db *db, int64_t until_us)
{
    struct turn me = { .granted = false };
    struct turn **last = &db->waiting;
    struct timespec deadline;
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&me.cond, &attr);
    pthread_condattr_destroy(&attr);
    deadline_of(until_us, &deadline);
    while (*last)
        last = &(*last)->next;
    *last = &me;
    while (!me.granted)
        if (pthread_cond_timedwait(&me.cond, &db->lock, &deadline) == ETIMEDOUT)
            break;
    if (!me.granted)
        turn_leave(db, &me);
    pthread_cond_destroy(&me.cond);
    return me.granted;
}

static bool turn_take(struct sqlite_db *db, int64_t until_us)
{
    WITH_MUTEX(&db->lock);

    if (db->writing)
        return turn_wait(db, until_us);
    db->writing = true;
    return true;
}

static void turn_give(struct sqlite_conn *c)
{
    struct sqlite_db *db = c->db;
    struct turn *next;
    WITH_MUTEX(&db->lock);

    c->has_turn = false;
    next = db->waiting;
    if (!next) {
        db->writing = false;
        return;
    }
    db->waiting = next->next;
    next->granted = true;
    pthread_cond_signal(&next->cond);
}

/* Called by SQLite when another process, or a reader of a memory database, is in the way. */
static int on_busy(void *arg, int count)
{
    static const int64_t waits_us[] = { 100, 200, 500, 1000, 2000, 5000 };
    struct sqlite_conn *c = arg;
    int64_t now = clock_mono_us(), wait;
    struct timespec t;

    if (c->nowait)
        return 0;
    if (count == 0)
        c->busy_since_us = now;
    if (now >= (c->wait_until_us ? c->wait_until_us : c->busy_since_us + WAIT_US))
        return 0;
    wait = waits_us[(size_t)count < COUNT(waits_us) ? (size_t)count : COUNT(waits_us) - 1];
    t = (struct timespec){ .tv_nsec = (long)(wait + now % 97) * 1000 };
    nanosleep(&t, NULL);
    return 1;
}

/* ---- connections ---- */

static int pragma(struct sqlite_conn *c, const char *sql, char *ret, size_t size, struct error *e)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(c->handle, sql, -1, &s, NULL);

    *ret = '\0';
    if (rc == SQLITE_OK)
        rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        str_copy(ret, size, (const char *)sqlite3_column_text(s, 0));
    sqlite3_finalize(s);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? rc : fail(c, rc, sql, e);
}

/* Changing the journal's mode asks the busy handler only in part, hence the loop: two processes may open a
 * new database at the same moment. */
static int journal_mode(struct sqlite_conn *c, struct error *e)
{
    const char *wanted = c->db->memory ? "memory" : "wal";
    char mode[16];

    c->wait_until_us = clock_mono_us() + WAIT_US;
    for (int i = 0; pragma(c, c->db->memory ? "PRAGMA journal_mode" : "PRAGMA journal_mode=WAL", mode,
                           sizeof mode, e) < 0;
         i++)
        if ((sqlite3_errcode(c->handle) & 0xff) != SQLITE_BUSY || !on_busy(c, i))
            return -1;
    c->wait_until_us = 0;
    if (strcmp(mode, wanted) != 0) {
        error_set(e, ERROR_UNAVAILABLE, "The database is not available");
        return error_detail(
            e, "%s: journal mode is '%s', not '%s': not writable, or a file system without shared memory",
            c->db->file, mode, wanted);
    }
    return 0;
}

static int configure(struct sqlite_conn *c, struct error *e)
{
    static const char *const pragmas[] = {
        "PRAGMA synchronous=FULL", "PRAGMA foreign_keys=ON", "PRAGMA temp_store=MEMORY",
        "PRAGMA secure_delete=ON", /* as Debian builds it: job notes hold tokens */
    };
    struct {
        sqlite3_stmt **at;
        const char *sql;
    } fixed[] = {
        { &c->begin, "BEGIN" },
        { &c->begin_immediate, "BEGIN IMMEDIATE" },
        { &c->commit, "COMMIT" },
        { &c->rollback, "ROLLBACK" },
    };
    char value[32];

    if (journal_mode(c, e) < 0)
        return -1;
    for (size_t i = 0; i < COUNT(pragmas); i++)
        if (pragma(c, pragmas[i], value, sizeof value, e) < 0)
            return -1;
    snprintf(value, sizeof value, "PRAGMA cache_size=-%d", PAGE_CACHE_KIB);
    if (pragma(c, value, value, 1, e) < 0)
        return -1;
    for (size_t i = 0; i < COUNT(fixed); i++) {
        int rc =
            sqlite3_prepare_v3(c->handle, fixed[i].sql, -1, SQLITE_PREPARE_PERSISTENT, fixed[i].at, NULL);

        if (rc != SQLITE_OK)
            return fail(c, rc, fixed[i].sql, e);
    }
    return 0;
}

static void conn_close(struct sqlite_conn *c)
{
    if (!c)
        return;
    sqlite3_finalize(c->begin);
    sqlite3_finalize(c->begin_immediate);
    sqlite3_finalize(c->commit);
    sqlite3_finalize(c->rollback);
    sqlite3_finalize(c->version);
    sqlite3_close(c->handle);
    mem_free(c);
}

/* SQLite would make the file as the umask says, and the log beside it like the file. */
static void make_file(const struct sqlite_db *db)
{
    int fd = open(db->file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0660);

    if (fd >= 0)
        close(fd);
}

static void check_mode(const struct sqlite_db *db)
{
    struct stat st;

    if (!db->memory && stat(db->file, &st) == 0 && st.st_mode & S_IRWXO)
        log_warning("every user of this machine may read the database %s: its mode is %04o; chmod o= takes "
                    "that away",
                    db->file, (unsigned)st.st_mode & 07777);
}

static int conn_open(struct sqlite_db *db, bool create, enum db_wait wait, struct sqlite_conn **ret,
                     struct error *e)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    struct sqlite_conn *c = mem_new(sizeof *c);
    int rc;

    if (create || db->memory)
        flags |= SQLITE_OPEN_CREATE;
    c->db = db;
    c->nowait = wait == DB_NOWAIT;
    if (create && !db->memory)
        make_file(db);
    rc = sqlite3_open_v2(db->file, &c->handle, flags, db->memory ? "memdb" : NULL);
    if (rc != SQLITE_OK) {
        fail(c, rc, NULL, e);
        error_detail(e, "%s", db->file);
        conn_close(c);
        return -1;
    }
    sqlite3_busy_handler(c->handle, on_busy, c);
    if (configure(c, e) < 0) {
        conn_close(c);
        return -1;
    }
    *ret = c;
    return 0;
}

static int sqlite_connect(struct db *head, enum db_wait wait, struct db_conn **ret, struct error *e)
{
    struct sqlite_db *db = as_db(head);
    struct sqlite_conn *c = NULL;

    pthread_mutex_lock(&db->lock);
    if (!db->memory)
        c = TAKE(db->spare);
    pthread_mutex_unlock(&db->lock);
    if (!c && conn_open(db, false, wait, &c, e) < 0)
        return -1;
    if (file_look(db, e) < 0) { /* else this connection's file may be another than the others' */
        conn_close(c);
        return -1;
    }
    *ret = &c->head;
    return 0;
}

static void sqlite_disconnect(struct db_conn *c)
{
    conn_close(as_conn(c));
}

static void sqlite_set_wait(struct db_conn *c, enum db_wait wait)
{
    as_conn(c)->nowait = wait == DB_NOWAIT;
}

/* ---- databases ---- */

/* SQLAlchemy's sqlite:///path: three slashes and a path, absolute with a fourth; nothing, or :memory:, is
 * memory. */
static int parse_url(const char *url, struct sqlite_db *db, struct error *e)
{
    static _Atomic unsigned memories;
    const char *rest = strstr(url, "://");
    CLEANUP(mem_free_ptr) char *path = NULL;
    CLEANUP(str_done) struct str name = STR_INIT;

    if (!rest || (rest[3] != '\0' && rest[3] != '/' && rest[3] != '?'))
        return error_set(
            e, ERROR_INVALID,
            "A database of SQLite is written sqlite:////absolute/path or sqlite:///relative/path");
    path = mem_str(rest[3] == '/' ? rest + 4 : "");
    path[strcspn(path, "?")] = '\0';
    db->memory = *path == '\0' || strcmp(path, ":memory:") == 0;
    if (db->memory)
        str_addf(&name, "/glint-%u",
                 atomic_fetch_add(&memories, 1)); /* a leading slash makes memdb share it */
    db->file = db->memory ? TAKE(name.data) : TAKE(path);
    return 0;
}

static void sqlite_close(struct db *head)
{
    struct sqlite_db *db = as_db(head);

    conn_close(db->spare);
    pthread_mutex_destroy(&db->lock);
    mem_free(db->file);
    mem_free(db);
}

/* SQLite counts its memory under one lock for all threads, which nobody reads. Refused, without harm, when
 * somebody else in the process uses SQLite already. */
static void configure_library(void)
{
    if (sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) != SQLITE_OK)
        log_debug("SQLite is in use already; it keeps counting its memory");
}

static int sqlite_open(const char *url, bool create, struct db **ret, struct error *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct sqlite_db *db = mem_new(sizeof *db);
    struct stat st;

    pthread_once(&once, configure_library);
    pthread_mutex_init(&db->lock, NULL);
    if (parse_url(url, db, e) < 0 || conn_open(db, create, DB_WAIT, &db->spare, e) < 0) {
        sqlite_close(&db->head);
        return -1;
    }
    check_mode(db);
    if (!db->memory && stat(db->file, &st) == 0) {
        db->device = st.st_dev;
        db->inode = st.st_ino;
    }
    snprintf(db->head.describe, sizeof db->head.describe, "SQLite %s", db->memory ? "in memory" : db->file);
    *ret = &db->head;
    return 0;
}

/* ---- transactions ---- */

static int run_fixed(struct sqlite_conn *c, sqlite3_stmt *s, struct error *e)
{
    int rc = sqlite3_step(s);

    if (rc != SQLITE_DONE)
        fail(c, rc, sqlite3_sql(s), e);
    sqlite3_reset(s);
    return rc == SQLITE_DONE ? 0 : -1;
}

static int begin_write(struct sqlite_conn *c, struct error *e)
{
    int result;

    if (c->nowait)
        return error_set(e, ERROR_WOULD_BLOCK, "A write may have to wait");
    if (file_look(c->db, e) < 0)
        return -1;
    c->wait_until_us = clock_mono_us() + WAIT_US;
    if (!turn_take(c->db, c->wait_until_us)) {
        c->wait_until_us = 0;
        error_set(e, ERROR_UNAVAILABLE, "The database is not available");
        return error_detail(e, "no turn to write within %d s", SECONDS_WAIT);
    }
    c->has_turn = true;
    result = run_fixed(c, c->begin_immediate, e);
    c->wait_until_us = 0;
    if (result < 0)
        turn_give(c);
    return result;
}

static int sqlite_begin(struct db_conn *head, bool write, struct error *e)
{
    struct sqlite_conn *c = as_conn(head);

    return write ? begin_write(c, e) : run_fixed(c, c->begin, e);
}

static void undo(struct sqlite_conn *c)
{
    struct error ignored;

    if (!sqlite3_get_autocommit(c->handle) && run_fixed(c, c->rollback, &ignored) < 0)
        log_debug("SQLite: rollback: %s", ignored.detail);
    if (c->has_turn)
        turn_give(c);
}

static int sqlite_commit(struct db_conn *head, struct error *e)
{
    struct sqlite_conn *c = as_conn(head);

    if (c->has_turn && file_look(c->db, e) < 0) {
        undo(c);
        return -1;
    }
    /* A full disk or an I/O error may have undone the transaction already: then this fails, as it must. */
    if (run_fixed(c, c->commit, e) < 0) {
        if (e->kind == ERROR_INTERNAL)
            e->kind = ERROR_UNAVAILABLE;
        undo(c);
        return -1;
    }
    if (c->has_turn)
        turn_give(c);
    return 0;
}

static void sqlite_rollback(struct db_conn *head)
{
    undo(as_conn(head));
}

/* ---- statements ---- */

static int sqlite_prepare(struct db_conn *head, const char *sql, struct db_stmt **ret, struct error *e)
{
    struct sqlite_conn *c = as_conn(head);
    sqlite3_stmt *handle = NULL;
    struct sqlite_stmt *s;
    int rc = sqlite3_prepare_v3(c->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &handle, NULL);

    if (rc != SQLITE_OK)
        return fail(c, rc, sql, e);
    if (!handle)
        return error_set(e, ERROR_INTERNAL, "The statement is empty");
    s = mem_new(sizeof *s);
    s->handle = handle;
    *ret = &s->head;
    return 0;
}

static void sqlite_finish(struct db_stmt *head)
{
    struct sqlite_stmt *s = as_stmt(head);

    sqlite3_finalize(s->handle);
    mem_free(s);
}

static void note_bind(struct sqlite_stmt *s, int rc)
{
    if (rc != SQLITE_OK && s->bind_failed == SQLITE_OK)
        s->bind_failed = rc;
}

static void sqlite_bind_text(struct db_stmt *s, int at, const char *text)
{
    note_bind(as_stmt(s), sqlite3_bind_text(as_stmt(s)->handle, at, text, -1, SQLITE_TRANSIENT));
}

static void sqlite_bind_int(struct db_stmt *s, int at, int64_t value)
{
    note_bind(as_stmt(s), sqlite3_bind_int64(as_stmt(s)->handle, at, value));
}

static void sqlite_bind_null(struct db_stmt *s, int at)
{
    note_bind(as_stmt(s), sqlite3_bind_null(as_stmt(s)->handle, at));
}

static int sqlite_step(struct db_stmt *head, struct error *e)
{
    struct sqlite_stmt *s = as_stmt(head);
    struct sqlite_conn *c = as_conn(head->conn);
    int rc;

    if (s->bind_failed)
        return fail(c, s->bind_failed, sqlite3_sql(s->handle), e);
    /* SQLite undoes a whole transaction by itself after some failures; what follows must not count one by
     * one. */
    if (head->conn->in_transaction && sqlite3_get_autocommit(c->handle))
        return error_set(e, ERROR_UNAVAILABLE, "The transaction was undone by an earlier failure");
    rc = sqlite3_step(s->handle);
    if (rc == SQLITE_ROW)
        return 1;
    if (rc != SQLITE_DONE)
        fail(c, rc, sqlite3_sql(s->handle), e);
    sqlite3_reset(s->handle);
    return rc == SQLITE_DONE ? 0 : -1;
}

static void sqlite_reset(struct db_stmt *head)
{
    struct sqlite_stmt *s = as_stmt(head);

    sqlite3_reset(s->handle);
    sqlite3_clear_bindings(s->handle);
    s->bind_failed = SQLITE_OK;
}

static bool sqlite_is_null(struct db_stmt *s, int col)
{
    return sqlite3_column_type(as_stmt(s)->handle, col) == SQLITE_NULL;
}

static const char *sqlite_text(struct db_stmt *s, int col)
{
    return (const char *)sqlite3_column_text(as_stmt(s)->handle, col);
}

static int64_t sqlite_integer(struct db_stmt *s, int col)
{
    return sqlite3_column_int64(as_stmt(s)->handle, col);
}

static int64_t sqlite_changes(struct db_conn *c)
{
    return sqlite3_changes64(as_conn(c)->handle);
}

static int64_t sqlite_last_id(struct db_conn *c)
{
    return sqlite3_last_insert_rowid(as_conn(c)->handle);
}

static int sqlite_script(struct db_conn *head, const char *sql, struct error *e)
{
    struct sqlite_conn *c = as_conn(head);
    int rc = sqlite3_exec(c->handle, sql, NULL, NULL, NULL);

    return rc == SQLITE_OK ? 0 : fail(c, rc, NULL, e);
}

static int sqlite_has_table(struct db_conn *head, const char *name, bool *ret, struct error *e)
{
    static const char sql[] = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?1";
    struct sqlite_conn *c = as_conn(head);
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(c->handle, sql, -1, &s, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(s, 1, name, -1, SQLITE_TRANSIENT);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(s);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        fail(c, rc, sql, e);
    sqlite3_finalize(s);
    *ret = rc == SQLITE_ROW;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : -1;
}

static int sqlite_version(struct db_conn *head, int64_t *ret, struct error *e)
{
    static const char sql[] = "PRAGMA data_version";
    struct sqlite_conn *c = as_conn(head);
    int rc = SQLITE_OK;

    if (!c->version)
        rc = sqlite3_prepare_v3(c->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &c->version, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(c->version);
    if (rc != SQLITE_ROW)
        return fail(c, rc, sql, e);
    *ret = sqlite3_column_int64(c->version, 0);
    sqlite3_reset(c->version);
    return 0;
}

/* The log keeps old pages until it is written over; deleted rows are wiped in the file itself. The log is
 * truncated once nobody reads from it: readers that begin meanwhile read from the file alone. */
static int sqlite_forget(struct db_conn *head, struct error *e)
{
    struct sqlite_conn *c = as_conn(head);
    int rc;

    if (c->db->memory)
        return 0;
    c->wait_until_us = clock_mono_us() + FORGET_US;
    if (!turn_take(c->db, c->wait_until_us)) {
        c->wait_until_us = 0;
        return error_set(e, ERROR_UNAVAILABLE, "The database is in use");
    }
    c->has_turn = true;
    rc = sqlite3_wal_checkpoint_v2(c->handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    c->wait_until_us = 0;
    turn_give(c);
    return rc == SQLITE_OK ? 0 : fail(c, rc, NULL, e);
}

/* clang-format off */
const struct db_driver db_sqlite = {
    .scheme = "sqlite",             .dialect = DB_SQLITE,
    .open = sqlite_open,            .close = sqlite_close,
    .connect = sqlite_connect,      .disconnect = sqlite_disconnect,
    .set_wait = sqlite_set_wait,
    .begin = sqlite_begin,          .commit = sqlite_commit,         .rollback = sqlite_rollback,
    .prepare = sqlite_prepare,      .finish = sqlite_finish,
    .bind_text = sqlite_bind_text,  .bind_int = sqlite_bind_int,     .bind_null = sqlite_bind_null,
    .step = sqlite_step,            .reset = sqlite_reset,
    .is_null = sqlite_is_null,      .text = sqlite_text,             .integer = sqlite_integer,
    .changes = sqlite_changes,      .last_id = sqlite_last_id,
    .script = sqlite_script,        .has_table = sqlite_has_table,
    .version = sqlite_version,      .forget = sqlite_forget,         .look = sqlite_look,
};
/* clang-format on */
