/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the SQLite driver share: sqlite.c has files, connections and the driver's table,
 * run.c the writers' queue, transactions and statements.
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
#ifndef DB_SQLITE_SQLITE_H
#define DB_SQLITE_SQLITE_H

#include <sqlite3.h>
#include <sys/types.h>

#include "db/driver.h"

enum { SECONDS_WAIT = 60 };
#define WAIT_US (SECONDS_WAIT * CLOCK_SECOND)

struct turn;

struct sqlite_db {
    struct db head;
    char *file; /* as sqlite3_open_v2() takes it */
    bool memory;
    pthread_mutex_t lock;      /* guards what follows */
    bool writing;              /* a writer has the turn */
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
    int64_t seen; /* data_version at the last sqlite_wait(), plus 1 */
    bool nowait, has_turn;
    int64_t wait_until_us; /* of a write that begins; 0: counted from the first refusal */
    int64_t busy_since_us; /* that first refusal */
};

struct sqlite_stmt {
    struct db_stmt head;
    sqlite3_stmt *handle;
    int bind_failed; /* first result code of a bind that was not SQLITE_OK */
};

static inline struct sqlite_db *as_db(struct db *db)
{
    return (struct sqlite_db *)db;
}

static inline struct sqlite_conn *as_conn(struct db_conn *c)
{
    return (struct sqlite_conn *)c;
}

static inline struct sqlite_stmt *as_stmt(struct db_stmt *s)
{
    return (struct sqlite_stmt *)s;
}

/* Fills *e from a result code of SQLite; sql may be NULL. Returns -1. */
int sqlite_fail(struct sqlite_conn *c, int rc, const char *sql, struct error *e);
/* Fails where the file is not the one that was opened: what is committed there would be lost. */
int sqlite_file_look(struct sqlite_db *db, struct error *e);
int sqlite_on_busy(void *conn, int count); /* for sqlite3_busy_handler() */

int sqlite_begin(struct db_conn *c, bool write, struct error *e);
int sqlite_commit(struct db_conn *c, struct error *e);
void sqlite_rollback(struct db_conn *c);
int sqlite_prepare(struct db_conn *c, const char *sql, struct db_stmt **ret, struct error *e);
void sqlite_finish(struct db_stmt *s);
void sqlite_bind_text(struct db_stmt *s, int at, const char *text);
void sqlite_bind_int(struct db_stmt *s, int at, int64_t value);
void sqlite_bind_null(struct db_stmt *s, int at);
int sqlite_step(struct db_stmt *s, struct error *e);
void sqlite_reset(struct db_stmt *s);
bool sqlite_is_null(struct db_stmt *s, int col);
const char *sqlite_text(struct db_stmt *s, int col);
int64_t sqlite_integer(struct db_stmt *s, int col);
int64_t sqlite_changes(struct db_conn *c);
int64_t sqlite_last_id(struct db_conn *c);
int sqlite_script(struct db_conn *c, const char *sql, struct error *e);
int sqlite_has_table(struct db_conn *c, const char *name, bool *ret, struct error *e);
int sqlite_wait(struct db_conn *c, struct pollfd *fds, size_t n, int timeout_ms, bool *ret, struct error *e);
int sqlite_forget(struct db_conn *c, struct error *e);

#endif
