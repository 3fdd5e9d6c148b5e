/* SPDX-License-Identifier: Apache-2.0 */
/* What all databases have in common: choosing the driver, the pool of idle connections, the statements a
 * connection keeps prepared, and the time that each kind of call takes. */
#include "db/driver.h"

#include <stdlib.h>
#include <string.h>

enum {
    TEXTS_MAX = 64,     /* statements kept by content */
    LITERALS_MIN = 128, /* slots of the table by address; a power of two */
};

static const struct db_driver *const drivers[] = { &db_sqlite, &db_fault };

static struct metric seconds = {
    "glint_db_seconds",
    "Time of database calls: waiting for the writer's place, statements, commits.",
    METRIC_HISTOGRAM,
    { "operation" }
};

struct pool {
    pthread_mutex_t lock;
    struct db_conn *idle;
    unsigned n_idle, max_idle;
    struct metric_series *timing[DB_OPERATIONS];
};

struct text_entry {
    char *sql;
    uint64_t hash;
    uint64_t used; /* the connection's tick of the last use */
    struct db_stmt *stmt;
};

struct literal_entry {
    const char *sql;
    struct db_stmt *stmt;
};

struct cache {
    struct literal_entry *literals; /* open addressing, at most half full */
    size_t n_literals, cap_literals;
    struct text_entry texts[TEXTS_MAX];
    size_t n_texts;
    uint64_t tick;
};

void db_observe(const struct db *db, enum db_operation op, int64_t since_us)
{
    const struct pool *p = db->pool;

    metric_observe(p->timing[op], clock_mono_us() - since_us);
}

/* ---- databases ---- */

static int unknown_scheme(const char *url, struct error *e)
{
    CLEANUP(str_done) struct str known = STR_INIT;

    for (size_t i = 0; i < COUNT(drivers); i++)
        if (drivers[i] != &db_fault)
            str_addf(&known, "%s%s", known.len ? ", " : "", drivers[i]->scheme);
    return error_set(e, ERROR_INVALID, "Unknown kind of database '%.*s'; known: %s", (int)strcspn(url, ":"),
                     url, str_text(&known));
}

static const struct db_driver *driver_of(const char *url)
{
    size_t n = strcspn(url, ":+");

    for (size_t i = 0; i < COUNT(drivers); i++)
        if (strlen(drivers[i]->scheme) == n && strncmp(drivers[i]->scheme, url, n) == 0)
            return drivers[i];
    return NULL;
}

int db_open(const char *url, bool create, unsigned pool, struct db **ret, struct error *e)
{
    static const char *const names[DB_OPERATIONS] = { "connect", "begin_write", "read", "write", "commit" };
    const struct db_driver *driver = driver_of(url);
    struct pool *p;

    if (!driver)
        return unknown_scheme(url, e);
    if (driver->open(url, create, ret, e) < 0)
        return -1;
    p = mem_new(sizeof *p);
    pthread_mutex_init(&p->lock, NULL);
    p->max_idle = pool;
    for (int i = 0; i < DB_OPERATIONS; i++)
        p->timing[i] = metric_series(&seconds, names[i], NULL, NULL);
    (*ret)->driver = driver;
    (*ret)->pool = p;
    return 0;
}

static void cache_free(struct db_conn *c)
{
    struct cache *cache = c->cache;
    const struct db_driver *driver = c->db->driver;

    for (size_t i = 0; i < cache->cap_literals; i++)
        if (cache->literals[i].stmt)
            driver->finish(cache->literals[i].stmt);
    for (size_t i = 0; i < cache->n_texts; i++) {
        driver->finish(cache->texts[i].stmt);
        mem_free(cache->texts[i].sql);
    }
    mem_free(cache->literals);
    mem_free(cache);
    c->cache = NULL;
}

static void conn_free(struct db_conn *c)
{
    cache_free(c);
    c->db->driver->disconnect(c);
}

void db_close(struct db *db)
{
    struct pool *p;

    if (!db)
        return;
    p = db->pool;
    while (p->idle) {
        struct db_conn *c = p->idle;

        p->idle = c->next_idle;
        conn_free(c);
    }
    pthread_mutex_destroy(&p->lock);
    mem_free(p);
    db->driver->close(db);
}

enum db_dialect db_dialect(const struct db *db)
{
    return db->driver->dialect;
}

const char *db_describe(const struct db *db)
{
    return db->describe;
}

/* ---- connections ---- */

static struct db_conn *pool_take(struct pool *p)
{
    struct db_conn *c;
    WITH_MUTEX(&p->lock);

    c = p->idle;
    if (c) {
        p->idle = c->next_idle;
        p->n_idle--;
    }
    return c;
}

int db_acquire(struct db *db, enum db_wait wait, struct db_conn **ret, struct error *e)
{
    struct db_conn *c;

    if (db->driver->look && db->driver->look(db, e) < 0)
        return -1;
    c = pool_take(db->pool);
    if (!c) {
        int64_t start = clock_mono_us();

        if (db->driver->connect(db, wait, &c, e) < 0)
            return -1;
        c->db = db;
        c->cache = mem_new(sizeof(struct cache));
        db_observe(db, DB_OPERATION_CONNECT, start);
    }
    db->driver->set_wait(c, wait);
    *ret = c;
    return 0;
}

int db_revive(struct db_conn *c, struct error *e)
{
    int64_t start = clock_mono_us();

    db_reset_all(c);
    cache_free(c);
    c->cache = mem_new(sizeof(struct cache));
    if (c->db->driver->reconnect(c, e) < 0)
        return -1;
    c->broken = false;
    db_observe(c->db, DB_OPERATION_CONNECT, start);
    return 0;
}

static void stmt_done(struct db_stmt *s)
{
    if (!s->active)
        return;
    s->active = false;
    s->conn->active--;
    db_observe(s->conn->db, s->conn->in_write ? DB_OPERATION_WRITE : DB_OPERATION_READ, s->started_us);
}

/* A statement left in the middle of its rows would hold its snapshot for ever. */
void db_reset_all(struct db_conn *c)
{
    struct cache *cache = c->cache;

    for (size_t i = 0; c->active && i < cache->cap_literals; i++)
        if (cache->literals[i].stmt && cache->literals[i].stmt->active)
            db_reset(cache->literals[i].stmt);
    for (size_t i = 0; c->active && i < cache->n_texts; i++)
        if (cache->texts[i].stmt->active)
            db_reset(cache->texts[i].stmt);
}

void db_release(struct db_conn **at)
{
    struct db_conn *c = *at;
    struct pool *p;

    if (!c)
        return;
    *at = NULL;
    db_rollback(c);
    db_reset_all(c);
    p = c->db->pool;
    pthread_mutex_lock(&p->lock);
    if (p->n_idle < p->max_idle && !c->broken) {
        c->next_idle = p->idle;
        p->idle = c;
        p->n_idle++;
        c = NULL;
    }
    pthread_mutex_unlock(&p->lock);
    if (c)
        conn_free(c);
}

enum db_dialect db_conn_dialect(const struct db_conn *c)
{
    return c->db->driver->dialect;
}

bool db_sorts_bytewise(const struct db_conn *c)
{
    return c->db->driver->bytewise;
}

/* ---- statements that fail ---- */

/* Within a transaction that the database undid nothing may run: it would stand outside of it. */
static bool refused(const struct db_conn *c, struct error *e)
{
    return c->undone && db_undone(e) < 0;
}

static int failed(struct db_conn *c, const struct error *e)
{
    if (e->kind == ERROR_AGAIN && c->in_transaction)
        c->undone = true;
    return -1;
}

/* ---- statements by address ---- */

static struct literal_entry *literal_slot(struct literal_entry *table, size_t cap, const char *sql)
{
    size_t i = (size_t)(((uintptr_t)sql * 0x9E3779B97F4A7C15u) >> 32) & (cap - 1);

    while (table[i].sql && table[i].sql != sql)
        i = (i + 1) & (cap - 1);
    return &table[i];
}

static void literals_grow(struct cache *cache)
{
    size_t cap = cache->cap_literals ? 2 * cache->cap_literals : LITERALS_MIN;
    struct literal_entry *table = mem_new(cap * sizeof *table);

    for (size_t i = 0; i < cache->cap_literals; i++)
        if (cache->literals[i].sql)
            *literal_slot(table, cap, cache->literals[i].sql) = cache->literals[i];
    mem_free(cache->literals);
    cache->literals = table;
    cache->cap_literals = cap;
}

static void make_ready(struct db_stmt *s)
{
    stmt_done(s);
    s->conn->db->driver->reset(s);
}

/* ?1, ?2, … as they stand in the text, each once; what quotes enclose does not count. */
static bool parameters_in_order(const char *sql)
{
    bool quoted = false;
    long n = 0;

    for (const char *at = sql; *at; at++) {
        char *end;

        if (*at == '\'')
            quoted = !quoted;
        if (*at != '?' || quoted)
            continue;
        if (strtol(at + 1, &end, 10) != ++n)
            return false;
        at = end - 1;
    }
    return true;
}

static int prepare(struct db_conn *c, const char *sql, struct db_stmt **ret, struct error *e)
{
    if (refused(c, e))
        return -1;
    if (!parameters_in_order(sql))
        return error_set(e, ERROR_INTERNAL, "The parameters of a statement are out of order: %s", sql);
    if (c->db->driver->prepare(c, sql, ret, e) < 0)
        return failed(c, e);
    (*ret)->conn = c;
    return 0;
}

int db_prepare(struct db_conn *c, const char *sql, struct db_stmt **ret, struct error *e)
{
    struct cache *cache = c->cache;
    struct literal_entry *slot;

    if (2 * cache->n_literals >= cache->cap_literals)
        literals_grow(cache);
    slot = literal_slot(cache->literals, cache->cap_literals, sql);
    if (slot->sql) {
        make_ready(slot->stmt);
        *ret = slot->stmt;
        return 0;
    }
    if (prepare(c, sql, ret, e) < 0)
        return -1;
    *slot = (struct literal_entry){ sql, *ret };
    cache->n_literals++;
    return 0;
}

/* ---- statements by content ---- */

static uint64_t text_hash(const char *sql)
{
    uint64_t h = 14695981039346656037u;

    for (; *sql; sql++)
        h = (h ^ (unsigned char)*sql) * 1099511628211u;
    return h;
}

/* A free place, or that of the statement which was not used for the longest time. */
static struct text_entry *text_slot(struct db_conn *c)
{
    struct cache *cache = c->cache;
    struct text_entry *oldest = NULL;

    if (cache->n_texts < TEXTS_MAX)
        return &cache->texts[cache->n_texts++];
    for (size_t i = 0; i < TEXTS_MAX; i++)
        if (!cache->texts[i].stmt->active && (!oldest || cache->texts[i].used < oldest->used))
            oldest = &cache->texts[i];
    if (!oldest)
        return NULL;
    c->db->driver->finish(oldest->stmt);
    mem_free(oldest->sql);
    return oldest;
}

int db_prepare_text(struct db_conn *c, const char *sql, struct db_stmt **ret, struct error *e)
{
    struct cache *cache = c->cache;
    uint64_t hash = text_hash(sql);
    struct text_entry *slot;
    struct db_stmt *s;

    for (size_t i = 0; i < cache->n_texts; i++) {
        slot = &cache->texts[i];
        if (slot->hash == hash && strcmp(slot->sql, sql) == 0) {
            slot->used = ++cache->tick;
            make_ready(slot->stmt);
            *ret = slot->stmt;
            return 0;
        }
    }
    if (prepare(c, sql, &s, e) < 0)
        return -1;
    slot = text_slot(c);
    if (!slot) {
        c->db->driver->finish(s);
        return error_set(e, ERROR_INTERNAL, "More than %d statements are in use at once", TEXTS_MAX);
    }
    *slot = (struct text_entry){ mem_str(sql), hash, ++cache->tick, s };
    *ret = s;
    return 0;
}

/* ---- running ---- */

void db_bind_text(struct db_stmt *s, int at, const char *text)
{
    if (text)
        s->conn->db->driver->bind_text(s, at, text);
    else
        s->conn->db->driver->bind_null(s, at);
}

void db_bind_int(struct db_stmt *s, int at, int64_t value)
{
    s->conn->db->driver->bind_int(s, at, value);
}

void db_bind_bool(struct db_stmt *s, int at, bool value)
{
    s->conn->db->driver->bind_int(s, at, value);
}

void db_bind_time(struct db_stmt *s, int at, int64_t us)
{
    char text[CLOCK_TEXT_MAX];

    s->conn->db->driver->bind_text(s, at, clock_sql(us, text));
}

void db_bind_null(struct db_stmt *s, int at)
{
    s->conn->db->driver->bind_null(s, at);
}

int db_step(struct db_stmt *s, struct error *e)
{
    int result;

    if (refused(s->conn, e))
        return -1;
    if (!s->active) {
        s->active = true;
        s->conn->active++;
        s->started_us = clock_mono_us();
    }
    result = s->conn->db->driver->step(s, e);
    if (result <= 0)
        stmt_done(s);
    return result < 0 ? failed(s->conn, e) : result;
}

void db_reset(struct db_stmt *s)
{
    make_ready(s);
}

int db_run(struct db_stmt *s, int64_t *ret_changed, struct error *e)
{
    int result;

    while ((result = db_step(s, e)) > 0)
        continue;
    if (result < 0)
        return -1;
    if (ret_changed)
        *ret_changed = s->conn->db->driver->changes(s->conn);
    return 0;
}

int db_insert(struct db_stmt *s, int64_t *ret_id, struct error *e)
{
    if (db_run(s, NULL, e) < 0)
        return -1;
    if (ret_id)
        *ret_id = s->conn->db->driver->last_id(s->conn);
    return 0;
}

int db_script(struct db_conn *c, const char *sql, struct error *e)
{
    if (refused(c, e))
        return -1;
    return c->db->driver->script(c, sql, e) < 0 ? failed(c, e) : 0;
}

bool db_is_null(struct db_stmt *s, int col)
{
    return s->conn->db->driver->is_null(s, col);
}

const char *db_text(struct db_stmt *s, int col)
{
    return s->conn->db->driver->text(s, col);
}

int64_t db_int(struct db_stmt *s, int col)
{
    return s->conn->db->driver->integer(s, col);
}

bool db_bool(struct db_stmt *s, int col)
{
    return s->conn->db->driver->integer(s, col) != 0;
}

int64_t db_time(struct db_stmt *s, int col)
{
    const char *text = s->conn->db->driver->text(s, col);
    int64_t us;

    return text && clock_from_sql(text, &us) ? us : 0;
}

int db_has_table(struct db_conn *c, const char *name, bool *ret, struct error *e)
{
    if (refused(c, e))
        return -1;
    return c->db->driver->has_table(c, name, ret, e) < 0 ? failed(c, e) : 0;
}

int db_wait(struct db_conn *c, struct pollfd *fds, size_t n, int timeout_ms, bool *ret, struct error *e)
{
    return c->db->driver->wait(c, fds, n, timeout_ms, ret, e);
}

int db_forget(struct db_conn *c, struct error *e)
{
    return c->db->driver->forget ? c->db->driver->forget(c, e) : 0;
}
