/* SPDX-License-Identifier: Apache-2.0 */
/* What a database driver fills in; only db.c calls it. Same meanings as in db.h.
 * Threads: open/close run alone; connect may run concurrently; all else is per connection. */
#ifndef DB_DRIVER_H
#define DB_DRIVER_H

#include "db/db.h"

/* Errors beyond db.h's: begin, prepare, step, script, has_table and commit say ERROR_AGAIN where the database
 * undid the transaction for a reason that passes (deadlock, serialisation, certification), or where the
 * connection was lost before COMMIT was sent; commit says ERROR_UNCERTAIN where COMMIT was sent and not
 * answered. Where the connection is lost they set `broken`. Write transactions must see what others committed
 * before a row was locked: READ COMMITTED, or REPEATABLE READ as InnoDB has it.
 *
 * In this order: db_close() calls disconnect for every connection, then close. A failed begin or commit
 * leaves no transaction behind. After step() gave 0 or -1 the statement is reset. */
struct db_driver {
    const char *scheme; /* of the URL, up to ':' or '+' */
    enum db_dialect dialect;
    bool row_locks; /* writers run side by side: SELECT … FOR UPDATE is known, and needed (DB_FOR_UPDATE()) */
    bool bytewise; /* text is sorted by its bytes, as strcmp() does */

    int (*open)(const char *url, bool create, struct db **ret, struct error *e); /* fills describe */
    void (*close)(struct db *db);                                                /* frees it */
    int (*connect)(struct db *db, enum db_wait wait, struct db_conn **ret, struct error *e);
    void (*disconnect)(struct db_conn *c);
    void (*set_wait)(struct db_conn *c, enum db_wait wait);
    /* The same connection with a new session, whatever became of the old one, which is given up. Its
     * statements are finished already. */
    int (*reconnect)(struct db_conn *c, struct error *e);

    int (*begin)(struct db_conn *c, bool write, struct error *e);
    int (*commit)(struct db_conn *c, struct error *e);
    void (*rollback)(struct db_conn *c);

    int (*prepare)(struct db_conn *c, const char *sql, struct db_stmt **ret, struct error *e);
    void (*finish)(struct db_stmt *s); /* frees it; before disconnect() */
    void (*bind_text)(struct db_stmt *s, int at, const char *text);
    void (*bind_int)(struct db_stmt *s, int at, int64_t value);
    void (*bind_null)(struct db_stmt *s, int at);
    int (*step)(struct db_stmt *s, struct error *e);
    void (*reset)(struct db_stmt *s); /* also forgets what was bound; harmless when it is reset */

    bool (*is_null)(struct db_stmt *s, int col);
    const char *(*text)(struct db_stmt *s, int col);
    int64_t (*integer)(struct db_stmt *s, int col);
    int64_t (*changes)(struct db_conn *c);
    int64_t (*last_id)(struct db_conn *c); /* of the INSERT that was run just now */
    int (*script)(struct db_conn *c, const char *sql, struct error *e);
    int (*has_table)(struct db_conn *c, const char *name, bool *ret, struct error *e);
    /* db_wait(): by polling, or as the database notifies. */
    int (*wait)(struct db_conn *c, struct pollfd *fds, size_t n, int timeout_ms, bool *ret, struct error *e);
    int (*forget)(struct db_conn *c, struct error *e); /* NULL: nothing to do */
    /* Whether the database is the one that was opened; asked at each acquire, so it must cost next to
     * nothing. NULL: a server answers for itself. */
    int (*look)(struct db *db, struct error *e);
    /* Waits for a named lock, which ends with the transaction. NULL: there is one writer at a time. */
    int (*lock)(struct db_conn *c, const char *name, struct error *e);
};

/* Common heads of the drivers' own structs (first member). */
struct db {
    const struct db_driver *driver;
    void *pool; /* db.c's own */
    char describe[512];
};
struct db_conn {
    struct db *db;
    void *cache; /* db.c's statement cache */
    bool in_transaction, in_write;
    bool undone;      /* by the database, within the transaction that is open: nothing may run in it */
    const char *unit; /* the name of the unit under way, or NULL */
    bool broken;      /* the driver says so: not worth keeping in the pool */
    unsigned active;  /* statements between their first step and their reset */
    struct db_conn *next_idle;
};
struct db_stmt {
    struct db_conn *conn;
    bool active;
    int64_t started_us;
};

extern const struct db_driver db_sqlite;

/* ---- db.c and transaction.c ---- */

enum db_operation {
    DB_OPERATION_CONNECT,
    DB_OPERATION_BEGIN_WRITE,
    DB_OPERATION_READ,
    DB_OPERATION_WRITE,
    DB_OPERATION_COMMIT,
    DB_OPERATIONS
};
void db_observe(const struct db *db, enum db_operation op, int64_t since_us);
void db_reset_all(struct db_conn *c); /* a statement left in the middle of its rows would hold its snapshot */
int db_revive(struct db_conn *c, struct error *e); /* outside a transaction */
int db_undone(struct error *e);                    /* ERROR_AGAIN; returns -1 */

/* Begins the transaction of a unit; other rooms call db_write(). Tests may call it. */
int db_begin_write(struct db_conn *c, struct error *e) MUST_CHECK;

/* ---- the misbehaving twin ---- */

/* Wraps another driver ("fault+sqlite:///…"), and fails the n-th call that can fail (connect, begin, prepare,
 * step, commit), counted from db_fault_arm(), before the other driver sees it; n = 0 never fails. */
extern const struct db_driver db_fault;
void db_fault_arm(long n, enum error_kind kind);
bool db_fault_fired(void);

/* Called before each begin, step, commit and rollback of the twin's connections, by the thread that makes it:
 * a test can hold it there, and so decide whose statement is next. NULL: nobody. Set while no call runs. */
void db_fault_watch(void (*before)(const char *call, bool write));

/* Or it fails within units, as a database of several writers may:
 * DB_FAULT_AGAIN     the n-th begin, prepare, step or commit: the transaction is undone (ERROR_AGAIN)
 * DB_FAULT_LOST      the same, and the connection is gone
 * DB_FAULT_DONE      the n-th commit goes through, but the connection is gone before the answer
 * DB_FAULT_UNDONE    the n-th commit gets lost with the connection; both are ERROR_UNCERTAIN
 * units: as fnmatch(3) takes it, over the names of units; must live on. What repeats counts too: `times`
 * calls in a row fail from the n-th on.
 *
 * A build with -Dpoints=true takes the same from the file that the environment variable GLINT_DB_FAULT
 * names, so that a running service can be armed: "again|lost|done|undone N UNITS" in its first line. The
 * count goes down in the file, over all processes. When it fires the line goes, and "KIND UNIT CALL" is
 * added to <file>.hits. */
enum db_fault { DB_FAULT_NONE, DB_FAULT_AGAIN, DB_FAULT_LOST, DB_FAULT_DONE, DB_FAULT_UNDONE };
void db_fault_units(enum db_fault kind, long n, long times, const char *units);

#endif
