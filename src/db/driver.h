/* SPDX-License-Identifier: Apache-2.0 */
/* What a database driver fills in; only db.c calls it. Same meanings as in db.h.
 * Threads: open/close run alone; connect may run concurrently; all else is per connection. */
#ifndef DB_DRIVER_H
#define DB_DRIVER_H

#include "db/db.h"

/* In this order: db_close() calls disconnect for every connection, then close. A failed begin or commit
 * leaves no transaction behind. After step() gave 0 or -1 the statement is reset. */
struct db_driver {
    const char *scheme; /* of the URL, up to ':' or '+' */
    enum db_dialect dialect;

    int (*open)(const char *url, bool create, struct db **ret, struct error *e); /* fills describe */
    void (*close)(struct db *db);                                                /* frees it */
    int (*connect)(struct db *db, enum db_wait wait, struct db_conn **ret, struct error *e);
    void (*disconnect)(struct db_conn *c);
    void (*set_wait)(struct db_conn *c, enum db_wait wait);

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
    int64_t (*last_id)(struct db_conn *c);
    int (*script)(struct db_conn *c, const char *sql, struct error *e);
    int (*has_table)(struct db_conn *c, const char *name, bool *ret, struct error *e);
    /* A number that is another after every commit of another connection. NULL: there is none. */
    int (*version)(struct db_conn *c, int64_t *ret, struct error *e);
    int (*forget)(struct db_conn *c, struct error *e); /* NULL: nothing to do */
    /* Whether the database is the one that was opened; asked at each acquire, so it must cost next to
     * nothing. NULL: a server answers for itself. */
    int (*look)(struct db *db, struct error *e);
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
    bool broken;     /* the driver says so: not worth keeping in the pool */
    unsigned active; /* statements between their first step and their reset */
    int64_t seen;    /* by db_changed(): version + 1 */
    struct db_conn *next_idle;
};
struct db_stmt {
    struct db_conn *conn;
    bool active;
    int64_t started_us;
};

extern const struct db_driver db_sqlite;

/* The misbehaving twin: wraps another driver ("fault+sqlite:///…") and fails the n-th call that can
 * fail (connect, begin, prepare, step, commit), counted from db_fault_arm(); n = 0 never fails. */
extern const struct db_driver db_fault;
void db_fault_arm(long n, enum error_kind kind);
bool db_fault_fired(void);

#endif
