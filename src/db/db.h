/* SPDX-License-Identifier: Apache-2.0 */
/* SQL databases at the level of connection, statement, row and transaction. No image words: those and
 * all SQL live in model/ and db/schema/.
 *
 * Threads: a struct db (pool) is shared; a connection and what hangs on it belong to one thread at a time.
 * Statements are prepared once per connection and cached by the address of their text: pass string literals.
 * Error kinds: ERROR_UNAVAILABLE (cannot connect, disk full, lost connection), ERROR_CONFLICT (unique key,
 * foreign key; detail names it), ERROR_WOULD_BLOCK (DB_NOWAIT only), ERROR_INTERNAL (our SQL is wrong).
 * ERROR_AGAIN (the transaction was undone for a reason that passes) stays within units, below. */
#ifndef DB_DB_H
#define DB_DB_H

#include "base/base.h"

struct db;
struct db_conn;
struct db_stmt;

enum db_dialect { DB_SQLITE, DB_POSTGRES, DB_MARIADB };

/* url is SQLAlchemy's: sqlite:////abs/path, sqlite:///rel/path, sqlite:// (memory, shared by the pool). As
 * there, a query is ignored and the path is not percent-decoded. An unknown scheme is ERROR_INVALID with what
 * is known. create: make a missing SQLite file. pool: idle connections kept. */
int db_open(const char *url, bool create, unsigned pool, struct db **ret, struct error *e) MUST_CHECK;
void db_close(struct db *db); /* takes NULL; every connection must be back */
enum db_dialect db_dialect(const struct db *db);
const char *db_describe(const struct db *db); /* for people: no password */

enum db_wait {
    DB_WAIT,  /* may wait for a lock, up to 60 s, then ERROR_UNAVAILABLE */
    DB_NOWAIT /* reads only; ERROR_WOULD_BLOCK instead of any wait */
};
int db_acquire(struct db *db, enum db_wait wait, struct db_conn **ret, struct error *e) MUST_CHECK;
void db_release(struct db_conn **c); /* rolls back what was not committed; takes NULL; for CLEANUP */

/* ---- reading ---- */

/* One snapshot for all that follows, until db_commit() or db_rollback(). */
int db_begin_read(struct db_conn *c, struct error *e) MUST_CHECK;
int db_commit(struct db_conn *c, struct error *e) MUST_CHECK;
void db_rollback(struct db_conn *c); /* harmless outside a transaction */
bool db_in_transaction(const struct db_conn *c);

/* ---- writing: units of work ---- */

/* All that is written is written by units: functions that db_write() runs in a transaction of their own, and
 * runs again, whole, where the database undid them for a reason that passes: a deadlock, a serialisation or
 * certification failure, a connection lost before COMMIT was sent (ERROR_AGAIN). It tries ten times, with
 * random pauses, in a new session where the old one was lost; then it says ERROR_UNAVAILABLE. So run():
 *  - can be repeated: it sets all that it hands out in arg anew, and takes nothing over from a try before;
 *  - does nothing outside the database that cannot be done twice, or before a rollback: files, sockets and
 *    notices come before or after the unit;
 *  - decides by rows that it read itself, within the transaction: see "Locks".
 * It need not hand an ERROR_AGAIN through: the connection remembers, refuses further statements, and the unit
 * is repeated whatever run() returned. It returns 0 to commit, 1 to roll back without failing, -1 to fail.
 *
 * Where COMMIT was sent and not answered nobody knows whether the unit went through (ERROR_UNCERTAIN). Then
 * went_through() is asked, in a new session and in the transaction that would repeat the unit, so that it
 * waits for what the lost session still holds: do the rows say that an earlier run of *this* unit was
 * committed? Telling its own rows from equal ones of others takes something of its own: an id, a holder, a
 * time. It leaves in arg what run() hands out. db_unit_idempotent() is for units that give the same rows
 * when they are applied twice: they are repeated. ERROR_UNCERTAIN comes back only where the question
 * cannot be answered either.
 *
 * Within another unit on the same connection a unit is a part of it: run() is called, and the outer one is
 * repeated. Threads: a unit runs on the caller's thread; a const struct db_unit is shared. */
struct db_unit {
    const char *name; /* "image.create": in the log, and for tests */
    int (*run)(struct db_conn *c, void *arg, struct error *e);
    int (*went_through)(struct db_conn *c, void *arg, bool *ret, struct error *e);
};
int db_write(struct db *db, const struct db_unit *unit, void *arg, struct error *e) MUST_CHECK;
/* With a connection at hand; outside a read transaction. */
int db_write_on(struct db_conn *c, const struct db_unit *unit, void *arg, struct error *e) MUST_CHECK;
int db_unit_idempotent(struct db_conn *c, void *arg, bool *ret, struct error *e);

/* Locks. Some databases let units run side by side; what a unit decides by must not change until it commits:
 *  - rows that it loads are locked: model/ asks by DB_FOR_UPDATE(c, "SELECT …"), which locks inside units and
 *    reads elsewhere, so that no caller can forget it. Lock an image before what hangs on it;
 *  - sums, counts and maxima cannot be locked so: they need the lock of a row that all who change them take
 *    (the members of an image: the image's), or a named one, db_lock(), until the end of the transaction;
 *  - UPDATE … WHERE status = :from needs none: it sees the row as it is.
 * SQLite has one writer at a time: there none of this costs a statement. sql must be a literal. */
#define DB_FOR_UPDATE(c, sql) (db_locks_rows(c) ? sql " FOR UPDATE" : sql)
bool db_locks_rows(const struct db_conn *c);
int db_lock(struct db_conn *c, const char *name, struct error *e) MUST_CHECK;

/* ---- statements ---- */

/* Ready to bind; the same text gives the same statement, reset. Placeholders are ?1, ?2, … in every dialect,
 * in this order and each once, as some databases bind them by position: ERROR_INTERNAL.
 * For SQL made at run time use db_prepare_text(): cached by content, up to 64 texts a connection. */
int db_prepare(struct db_conn *c, const char *sql, struct db_stmt **ret, struct error *e) MUST_CHECK;
int db_prepare_text(struct db_conn *c, const char *sql, struct db_stmt **ret, struct error *e) MUST_CHECK;
/* at counts from 1. Text is copied. NULL text binds NULL. */
void db_bind_text(struct db_stmt *s, int at, const char *text);
void db_bind_int(struct db_stmt *s, int at, int64_t value);
void db_bind_bool(struct db_stmt *s, int at, bool value);
void db_bind_time(struct db_stmt *s, int at, int64_t us); /* in the dialect's own form */
void db_bind_null(struct db_stmt *s, int at);

/* 1: a row, 0: done, -1: failed. After 0 or -1 the statement is reset. */
int db_step(struct db_stmt *s, struct error *e) MUST_CHECK;
void db_reset(struct db_stmt *s); /* when one stops before the last row */
/* Binds nothing, returns no rows: run to the end. *ret_changed (may be NULL): rows changed. */
int db_run(struct db_stmt *s, int64_t *ret_changed, struct error *e) MUST_CHECK;
/* The same for an INSERT of one row with an automatic key, which *ret_id (may be NULL) gets. */
int db_insert(struct db_stmt *s, int64_t *ret_id, struct error *e) MUST_CHECK;
/* Several statements separated by ';' without parameters or rows (schema files). */
int db_script(struct db_conn *c, const char *sql, struct error *e) MUST_CHECK;

/* Columns of the current row, from 0. Text is valid until the next step or reset. */
bool db_is_null(struct db_stmt *s, int col);
const char *db_text(struct db_stmt *s, int col); /* NULL for NULL */
int64_t db_int(struct db_stmt *s, int col);      /* 0 for NULL */
bool db_bool(struct db_stmt *s, int col);
int64_t db_time(struct db_stmt *s, int col); /* µs since 1970; 0 for NULL or unreadable */

/* Waits until something may have been committed by others since the last call with this connection (*ret;
 * true at the first call), a descriptor of fds is ready (as poll(2), n may be 0), or timeout_ms have
 * passed. How soon it is seen is the database's: SQLite is asked every 50 ms, which costs next to
 * nothing. Outside a transaction. */
struct pollfd;
int db_wait(struct db_conn *c, struct pollfd *fds, size_t n, int timeout_ms, bool *ret,
            struct error *e) MUST_CHECK;

/* Takes what was deleted out of the files that the database keeps beside its own, too: for secrets. Outside a
 * transaction. ERROR_UNAVAILABLE while others use old states or write: to be tried again. */
int db_forget(struct db_conn *c, struct error *e) MUST_CHECK;

enum db_dialect db_conn_dialect(const struct db_conn *c);
/* Whether it sorts text by its bytes, as strcmp() does; else only it knows which of two comes first. */
bool db_sorts_bytewise(const struct db_conn *c);

/* Whether a table exists. */
int db_has_table(struct db_conn *c, const char *name, bool *ret, struct error *e) MUST_CHECK;

#endif
