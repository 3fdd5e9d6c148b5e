/* SPDX-License-Identifier: Apache-2.0 */
/* The writers' queue, transactions and statements of SQLite (db/sqlite/sqlite.h). */
#include "db/sqlite/sqlite.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#define FORGET_US (CLOCK_SECOND / 5)
enum { ASK_MS = 50 }; /* between two questions whether others wrote */

struct turn {
    pthread_cond_t cond;
    bool granted;
    struct turn *next;
};

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
int sqlite_on_busy(void *arg, int count)
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

/* ---- transactions ---- */

static int run_fixed(struct sqlite_conn *c, sqlite3_stmt *s, struct error *e)
{
    int rc = sqlite3_step(s);

    if (rc != SQLITE_DONE)
        sqlite_fail(c, rc, sqlite3_sql(s), e);
    sqlite3_reset(s);
    return rc == SQLITE_DONE ? 0 : -1;
}

static int begin_write(struct sqlite_conn *c, struct error *e)
{
    int result;

    if (c->nowait)
        return error_set(e, ERROR_WOULD_BLOCK, "A write may have to wait");
    if (sqlite_file_look(c->db, e) < 0)
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

int sqlite_begin(struct db_conn *head, bool write, struct error *e)
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

int sqlite_commit(struct db_conn *head, struct error *e)
{
    struct sqlite_conn *c = as_conn(head);

    if (c->has_turn && sqlite_file_look(c->db, e) < 0) {
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

void sqlite_rollback(struct db_conn *head)
{
    undo(as_conn(head));
}

/* ---- statements ---- */

int sqlite_prepare(struct db_conn *head, const char *sql, struct db_stmt **ret, struct error *e)
{
    struct sqlite_conn *c = as_conn(head);
    sqlite3_stmt *handle = NULL;
    struct sqlite_stmt *s;
    int rc = sqlite3_prepare_v3(c->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &handle, NULL);

    if (rc != SQLITE_OK)
        return sqlite_fail(c, rc, sql, e);
    if (!handle)
        return error_set(e, ERROR_INTERNAL, "The statement is empty");
    s = mem_new(sizeof *s);
    s->handle = handle;
    *ret = &s->head;
    return 0;
}

void sqlite_finish(struct db_stmt *head)
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

void sqlite_bind_text(struct db_stmt *s, int at, const char *text)
{
    note_bind(as_stmt(s), sqlite3_bind_text(as_stmt(s)->handle, at, text, -1, SQLITE_TRANSIENT));
}

void sqlite_bind_int(struct db_stmt *s, int at, int64_t value)
{
    note_bind(as_stmt(s), sqlite3_bind_int64(as_stmt(s)->handle, at, value));
}

void sqlite_bind_null(struct db_stmt *s, int at)
{
    note_bind(as_stmt(s), sqlite3_bind_null(as_stmt(s)->handle, at));
}

int sqlite_step(struct db_stmt *head, struct error *e)
{
    struct sqlite_stmt *s = as_stmt(head);
    struct sqlite_conn *c = as_conn(head->conn);
    int rc;

    if (s->bind_failed)
        return sqlite_fail(c, s->bind_failed, sqlite3_sql(s->handle), e);
    /* SQLite undoes a whole transaction by itself after some failures; what follows must not count one by
     * one. */
    if (head->conn->in_transaction && sqlite3_get_autocommit(c->handle))
        return error_set(e, ERROR_UNAVAILABLE, "The transaction was undone by an earlier failure");
    rc = sqlite3_step(s->handle);
    if (rc == SQLITE_ROW)
        return 1;
    if (rc != SQLITE_DONE)
        sqlite_fail(c, rc, sqlite3_sql(s->handle), e);
    sqlite3_reset(s->handle);
    return rc == SQLITE_DONE ? 0 : -1;
}

void sqlite_reset(struct db_stmt *head)
{
    struct sqlite_stmt *s = as_stmt(head);

    sqlite3_reset(s->handle);
    sqlite3_clear_bindings(s->handle);
    s->bind_failed = SQLITE_OK;
}

bool sqlite_is_null(struct db_stmt *s, int col)
{
    return sqlite3_column_type(as_stmt(s)->handle, col) == SQLITE_NULL;
}

const char *sqlite_text(struct db_stmt *s, int col)
{
    return (const char *)sqlite3_column_text(as_stmt(s)->handle, col);
}

int64_t sqlite_integer(struct db_stmt *s, int col)
{
    return sqlite3_column_int64(as_stmt(s)->handle, col);
}

int64_t sqlite_changes(struct db_conn *c)
{
    return sqlite3_changes64(as_conn(c)->handle);
}

int64_t sqlite_last_id(struct db_conn *c)
{
    return sqlite3_last_insert_rowid(as_conn(c)->handle);
}

int sqlite_script(struct db_conn *head, const char *sql, struct error *e)
{
    struct sqlite_conn *c = as_conn(head);
    int rc = sqlite3_exec(c->handle, sql, NULL, NULL, NULL);

    return rc == SQLITE_OK ? 0 : sqlite_fail(c, rc, NULL, e);
}

int sqlite_has_table(struct db_conn *head, const char *name, bool *ret, struct error *e)
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
        sqlite_fail(c, rc, sql, e);
    sqlite3_finalize(s);
    *ret = rc == SQLITE_ROW;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : -1;
}

static int data_version(struct db_conn *head, int64_t *ret, struct error *e)
{
    static const char sql[] = "PRAGMA data_version";
    struct sqlite_conn *c = as_conn(head);
    int rc = SQLITE_OK;

    if (!c->version)
        rc = sqlite3_prepare_v3(c->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &c->version, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(c->version);
    if (rc != SQLITE_ROW)
        return sqlite_fail(c, rc, sql, e);
    *ret = sqlite3_column_int64(c->version, 0);
    sqlite3_reset(c->version);
    return 0;
}

int sqlite_wait(struct db_conn *head, struct pollfd *fds, size_t n, int timeout_ms, bool *ret,
                struct error *e)
{
    int64_t until = clock_mono_us() + timeout_ms * INT64_C(1000), left, now = 0;
    struct sqlite_conn *c = as_conn(head);
    int ready;

    for (;;) {
        if (data_version(head, &now, e) < 0)
            return -1;
        *ret = c->seen != now + 1;
        c->seen = now + 1;
        left = (until - clock_mono_us() + 999) / 1000;
        if (*ret || left <= 0)
            return 0;
        ready = poll(fds, n, left < ASK_MS ? (int)left : ASK_MS);
        if (ready != 0) /* also a signal: the caller has reasons of its own to look */
            return 0;
    }
}

/* The log keeps old pages until it is written over; deleted rows are wiped in the file itself. The log is
 * truncated once nobody reads from it: readers that begin meanwhile read from the file alone. */
int sqlite_forget(struct db_conn *head, struct error *e)
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
    return rc == SQLITE_OK ? 0 : sqlite_fail(c, rc, NULL, e);
}
