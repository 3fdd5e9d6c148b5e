/* SPDX-License-Identifier: Apache-2.0 */
/* SQLite in WAL mode: readers see a snapshot and never wait; writers take turns (run.c).
 *
 * A memory database lives in SQLite's memdb file system, shared by the pool's connections. It has no WAL:
 * there a reader waits for the writer and the writer's commit for readers. */
#include "db/sqlite/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE_CACHE_KIB = 2000, LOOK_US = 1000000 };

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

int sqlite_fail(struct sqlite_conn *c, int rc, const char *sql, struct error *e)
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
int sqlite_file_look(struct sqlite_db *db, struct error *e)
{
    struct stat st;
    int failed;

    if (db->memory)
        return 0;
    failed = stat(db->file, &st) < 0 ? errno : 0;
    if (!failed && st.st_dev == db->device && st.st_ino == db->inode)
        return 0;
    error_set(e, ERROR_UNAVAILABLE, "The database is not available");
    if (failed && failed != ENOENT && failed != ENOTDIR)
        return error_detail(e, "%s cannot be looked at: %s", db->file, strerrordesc_np(failed));
    return error_detail(e, "%s was removed or replaced: put it back, or start the service again", db->file);
}

/* Before reads, at most once in LOOK_US while all is well. */
static int sqlite_look(struct db *head, struct error *e)
{
    struct sqlite_db *db = as_db(head);
    int64_t now = clock_mono_us();

    if (db->memory || now < db->look_at_us)
        return 0;
    if (sqlite_file_look(db, e) < 0)
        return -1;
    db->look_at_us = now + LOOK_US;
    return 0;
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
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? rc : sqlite_fail(c, rc, sql, e);
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
        if ((sqlite3_errcode(c->handle) & 0xff) != SQLITE_BUSY || !sqlite_on_busy(c, i))
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
            return sqlite_fail(c, rc, fixed[i].sql, e);
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
        sqlite_fail(c, rc, NULL, e);
        error_detail(e, "%s", db->file);
        conn_close(c);
        return -1;
    }
    sqlite3_busy_handler(c->handle, sqlite_on_busy, c);
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
    if (sqlite_file_look(db, e) < 0) { /* else this connection's file may be another than the others' */
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

static int sqlite_reconnect(struct db_conn *head, struct error *e)
{
    struct sqlite_conn *c = as_conn(head), *fresh, old = *c;

    if (conn_open(c->db, false, c->nowait ? DB_NOWAIT : DB_WAIT, &fresh, e) < 0)
        return -1;
    if (sqlite_file_look(c->db, e) < 0) {
        conn_close(fresh);
        return -1;
    }
    c->handle = fresh->handle;
    c->begin = fresh->begin;
    c->begin_immediate = fresh->begin_immediate;
    c->commit = fresh->commit;
    c->rollback = fresh->rollback;
    c->version = NULL;
    c->seen = 0;
    sqlite3_busy_handler(c->handle, sqlite_on_busy, c);
    *fresh = old;
    conn_close(fresh);
    return 0;
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

/* SQLite counts its memory under one lock for all threads, and we never read the count. Refused, without harm,
 * when somebody else in the process uses SQLite already. */
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

/* clang-format off */
const struct db_driver db_sqlite = {
    .scheme = "sqlite",             .dialect = DB_SQLITE,           .bytewise = true,
    .open = sqlite_open,            .close = sqlite_close,
    .connect = sqlite_connect,      .disconnect = sqlite_disconnect,
    .set_wait = sqlite_set_wait,    .reconnect = sqlite_reconnect,
    .begin = sqlite_begin,          .commit = sqlite_commit,         .rollback = sqlite_rollback,
    .prepare = sqlite_prepare,      .finish = sqlite_finish,
    .bind_text = sqlite_bind_text,  .bind_int = sqlite_bind_int,     .bind_null = sqlite_bind_null,
    .step = sqlite_step,            .reset = sqlite_reset,
    .is_null = sqlite_is_null,      .text = sqlite_text,             .integer = sqlite_integer,
    .changes = sqlite_changes,      .last_id = sqlite_last_id,
    .script = sqlite_script,        .has_table = sqlite_has_table,
    .wait = sqlite_wait,      .forget = sqlite_forget,         .look = sqlite_look,
};
/* clang-format on */
