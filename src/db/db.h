/* SPDX-License-Identifier: Apache-2.0 */
/* SQL databases at the level of connection, statement, row and transaction. No image words: those and
 * all SQL live in model/ and db/schema/.
 *
 * Threads: a struct db (pool) is shared; a connection and what hangs on it belong to one thread at a time.
 * Statements are prepared once per connection and cached by the address of their text: pass string literals.
 * Error kinds: ERROR_UNAVAILABLE (cannot connect, disk full, lost connection), ERROR_CONFLICT (unique key,
 * foreign key; detail names it), ERROR_WOULD_BLOCK (DB_NOWAIT only), ERROR_INTERNAL (our SQL is wrong). */
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

/* ---- transactions ---- */

/* Read: one snapshot for all that follows. Write: takes the writer's place at once (in order of
 * arrival within the process), so that nothing inside can fail for a lock. Committed means durable. */
int db_begin_read(struct db_conn *c, struct error *e) MUST_CHECK;
int db_begin_write(struct db_conn *c, struct error *e) MUST_CHECK;
int db_commit(struct db_conn *c, struct error *e) MUST_CHECK;
void db_rollback(struct db_conn *c); /* harmless outside a transaction */
bool db_in_transaction(const struct db_conn *c);

/* ---- statements ---- */

/* Ready to bind; the same text gives the same statement, reset. Placeholders are ?1, ?2, … in every dialect.
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
/* Several statements separated by ';' without parameters or rows (schema files). */
int db_script(struct db_conn *c, const char *sql, struct error *e) MUST_CHECK;

/* Columns of the current row, from 0. Text is valid until the next step or reset. */
bool db_is_null(struct db_stmt *s, int col);
const char *db_text(struct db_stmt *s, int col); /* NULL for NULL */
int64_t db_int(struct db_stmt *s, int col);      /* 0 for NULL */
bool db_bool(struct db_stmt *s, int col);
int64_t db_time(struct db_stmt *s, int col); /* µs since 1970; 0 for NULL or unreadable */
int64_t db_last_id(struct db_conn *c);       /* of the last INSERT with an automatic key */

/* Whether anything may have been committed by others since the last call with this connection; true at the
 * first. Cheap: to be asked often by who waits for rows. Outside a transaction. */
int db_changed(struct db_conn *c, bool *ret, struct error *e) MUST_CHECK;

/* Takes what was deleted out of the files that the database keeps beside its own, too: for secrets. Outside a
 * transaction. ERROR_UNAVAILABLE while others use old states or write: to be tried again. */
int db_forget(struct db_conn *c, struct error *e) MUST_CHECK;

enum db_dialect db_conn_dialect(const struct db_conn *c);

/* Whether a table exists. */
int db_has_table(struct db_conn *c, const char *name, bool *ret, struct error *e) MUST_CHECK;

#endif
