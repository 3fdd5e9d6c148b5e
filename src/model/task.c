/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of tasks and task_info as Glance 33 writes them (database.md: input, result and message are JSON and
 * text; a task that ended expires). */
#include "model/rows.h"

#include <stddef.h>
#include <string.h>

/* In the order in which row_read() counts, then what whole_row_read() reads. */
#define TASK_COLUMNS                                                                                         \
    "t.id, t.type, t.status, t.owner, t.image_id, t.request_id, t.user_id, t.expires_at, t.created_at, "     \
    "t.updated_at, t.deleted_at, t.deleted"
enum { TASK_COLUMNS_COUNT = 12 };
#define WHOLE_TASKS                                                                                          \
    "SELECT " TASK_COLUMNS ", i.input, i.result, i.message "                                                 \
    "FROM tasks t LEFT JOIN task_info i ON i.task_id = t.id "

static int info_add(struct db_conn *c, const struct task *t, struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(c, "INSERT INTO task_info (task_id, input, result, message) VALUES (?1, ?2, ?3, ?4)", &s,
                   e) < 0)
        return -1;
    db_bind_text(s, 1, t->id);
    db_bind_text(s, 2, t->input);
    db_bind_text(s, 3, t->result);
    db_bind_text(s, 4, t->message ? t->message : "");
    return db_run(s, NULL, e);
}

int task_add(struct db_conn *c, struct task *t, struct error *e)
{
    struct db_stmt *s;

    t->status = "pending";
    t->created_us = t->updated_us = clock_now_us();
    if (db_prepare(c,
                   "INSERT INTO tasks (id, type, status, owner, created_at, updated_at, deleted, image_id, "
                   "request_id, user_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, FALSE, ?7, ?8, ?9)",
                   &s, e) < 0)
        return -1;
    db_bind_text(s, 1, t->id);
    db_bind_text(s, 2, t->type);
    db_bind_text(s, 3, t->status);
    db_bind_text(s, 4, t->owner);
    db_bind_time(s, 5, t->created_us);
    db_bind_time(s, 6, t->created_us);
    db_bind_text(s, 7, t->image_id);
    db_bind_text(s, 8, t->request_id);
    db_bind_text(s, 9, t->user_id);
    return db_run(s, NULL, e) < 0 ? -1 : info_add(c, t, e);
}

static void row_read(struct db_stmt *s, struct arena *a, struct task *ret)
{
    *ret = (struct task){
        .id = arena_str(a, db_text(s, 0)),
        .type = arena_str(a, db_text(s, 1)),
        .status = arena_str(a, db_text(s, 2)),
        .owner = arena_str(a, db_text(s, 3)),
        .image_id = arena_str(a, db_text(s, 4)),
        .request_id = arena_str(a, db_text(s, 5)),
        .user_id = arena_str(a, db_text(s, 6)),
        .expires_us = db_time(s, 7),
        .created_us = db_time(s, 8),
        .updated_us = db_time(s, 9),
        .deleted_us = db_time(s, 10),
        .deleted = db_bool(s, 11),
    };
}

static void whole_row_read(struct db_stmt *s, struct arena *a, struct task *ret)
{
    row_read(s, a, ret);
    ret->input = arena_str(a, db_text(s, TASK_COLUMNS_COUNT));
    ret->result = arena_str(a, db_text(s, TASK_COLUMNS_COUNT + 1));
    ret->message = arena_str(a, db_text(s, TASK_COLUMNS_COUNT + 2));
}

int task_load_seen(struct db_conn *c, struct arena *a, const char *id, const struct viewer *v,
                   struct task **ret, struct error *e)
{
    CLEANUP(stmt_reset) struct db_stmt *s = NULL;
    int row;

    if (db_prepare(c, WHOLE_TASKS "WHERE t.id = ?1 AND (?2 OR (NOT t.deleted AND t.owner = ?3))", &s, e) < 0)
        return -1;
    db_bind_text(s, 1, id);
    db_bind_bool(s, 2, v->is_admin);
    db_bind_text(s, 3, v->project);
    row = db_step(s, e);
    if (row < 0)
        return -1;
    if (row == 0)
        return error_set(e, ERROR_NOT_FOUND, "Could not find task %s", id);
    *ret = arena_new(a, struct task);
    whole_row_read(s, a, *ret);
    return 0;
}

int task_load(struct db_conn *c, struct arena *a, const char *id, struct task **ret, struct error *e)
{
    const struct viewer service = { .is_admin = true };
    struct task *t;

    if (task_load_seen(c, a, id, &service, &t, e) < 0)
        return -1;
    if (t->deleted)
        return error_set(e, ERROR_NOT_FOUND, "Could not find task %s", id);
    *ret = t;
    return 0;
}

int task_begin(struct db_conn *c, const char *id, struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(c,
                   "UPDATE tasks SET status = 'processing', updated_at = ?1 WHERE id = ?2 AND status = "
                   "'pending' AND NOT deleted",
                   &s, e) < 0)
        return -1;
    db_bind_time(s, 1, clock_now_us());
    db_bind_text(s, 2, id);
    return db_run(s, NULL, e);
}

static int info_set(struct db_conn *c, const char *id, const char *result, const char *message,
                    struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(c,
                   "UPDATE task_info SET message = ?1, result = COALESCE(?2, result) WHERE task_id = ?3 AND "
                   "EXISTS (SELECT 1 FROM tasks WHERE id = ?4 AND status IN ('pending', 'processing'))",
                   &s, e) < 0)
        return -1;
    db_bind_text(s, 1, message ? message : "");
    db_bind_text(s, 2, result);
    db_bind_text(s, 3, id);
    db_bind_text(s, 4, id);
    return db_run(s, NULL, e);
}

int task_progress(struct db_conn *c, const char *id, const char *message, struct error *e)
{
    struct db_stmt *s;

    if (info_set(c, id, NULL, message, e) < 0 ||
        db_prepare(c,
                   "UPDATE tasks SET updated_at = ?1 WHERE id = ?2 AND status IN ('pending', 'processing')",
                   &s, e) < 0)
        return -1;
    db_bind_time(s, 1, clock_now_us());
    db_bind_text(s, 2, id);
    return db_run(s, NULL, e);
}

int task_end(struct db_conn *c, const char *id, bool success, const char *result, const char *message,
             int64_t expires_us, struct error *e)
{
    struct db_stmt *s;

    if (info_set(c, id, result, message, e) < 0 ||
        db_prepare(c,
                   "UPDATE tasks SET status = ?1, updated_at = ?2, expires_at = ?3 WHERE id = ?4 AND status "
                   "IN ('pending', 'processing')",
                   &s, e) < 0)
        return -1;
    db_bind_text(s, 1, success ? "success" : "failure");
    db_bind_time(s, 2, clock_now_us());
    db_bind_time(s, 3, expires_us);
    db_bind_text(s, 4, id);
    return db_run(s, NULL, e);
}

/* ---- lists ---- */

/* What a listing is filtered and sorted by. */
static const struct task_column {
    const char *name;
    size_t at; /* in struct task */
    bool time;
    const char *lowest; /* of one that may be NULL: below any value */
} columns[] = {
    { "id", offsetof(struct task, id), false, NULL },
    { "type", offsetof(struct task, type), false, NULL },
    { "status", offsetof(struct task, status), false, NULL },
    { "owner", offsetof(struct task, owner), false, NULL },
    { "image_id", offsetof(struct task, image_id), false, "''" },
    { "request_id", offsetof(struct task, request_id), false, "''" },
    { "user_id", offsetof(struct task, user_id), false, "''" },
    { "expires_at", offsetof(struct task, expires_us), true, "'0001-01-01 00:00:00'" },
    { "created_at", offsetof(struct task, created_us), true, NULL },
    { "updated_at", offsetof(struct task, updated_us), true, "'0001-01-01 00:00:00'" },
    { "deleted_at", offsetof(struct task, deleted_us), true, "'0001-01-01 00:00:00'" },
};

static const struct task_column *column_find(const char *name)
{
    for (size_t i = 0; i < COUNT(columns); i++)
        if (str_eq(columns[i].name, name))
            return &columns[i];
    return NULL;
}

bool task_column_known(const char *name)
{
    return column_find(name) != NULL;
}

enum { KEYS_MAX = 3 };

struct list {
    const struct task_query *q;
    struct str sql;
    struct list_value {
        bool time;
        const char *text;
        int64_t us; /* 0: NULL */
    } * values;
    size_t n_values, cap_values;
    const struct task_column *keys[KEYS_MAX];
    size_t n_keys;
};

static void list_done(struct list *l)
{
    str_done(&l->sql);
}

/* Adds a placeholder for the value. */
static void value_add(struct list *l, struct arena *a, struct list_value v)
{
    *ARENA_PUSH(a, l->values, l->n_values, l->cap_values) = v;
    str_addf(&l->sql, "?%zu", l->n_values);
}

static int list_keys(struct list *l, struct error *e)
{
    const struct task_column *sort = column_find(l->q->sort);

    if (!sort)
        return error_set(e, ERROR_INTERNAL, "There is no column '%s' of tasks.", l->q->sort);
    if (!str_eq(sort->name, "created_at") && !str_eq(sort->name, "id"))
        l->keys[l->n_keys++] = sort;
    l->keys[l->n_keys++] = column_find("created_at"); /* also before the id, as Glance 33 sorts by it */
    l->keys[l->n_keys++] = column_find("id");
    return 0;
}

static int list_filters(struct list *l, struct arena *a, struct error *e)
{
    for (size_t i = 0; i < l->q->n_filters; i++) {
        const struct task_filter *f = &l->q->filters[i];
        const struct task_column *column = column_find(f->column);
        struct list_value v = { .text = f->value };
        char as_stored[CLOCK_TEXT_MAX];

        if (!column)
            return error_set(e, ERROR_INTERNAL, "There is no column '%s' of tasks.", f->column);
        v.time = column->time;
        if (v.time && !(clock_from_sql(f->value, &v.us) && str_eq(f->value, clock_sql(v.us, as_stored)))) {
            str_add(&l->sql, " AND FALSE");
            continue;
        }
        str_addf(&l->sql, " AND t.%s = ", column->name);
        value_add(l, a, v);
    }
    return 0;
}

static void key_add(struct list *l, size_t i)
{
    if (i > 0)
        str_add(&l->sql, ", ");
    if (l->keys[i]->lowest)
        str_addf(&l->sql, "COALESCE(t.%s, %s)", l->keys[i]->name, l->keys[i]->lowest);
    else
        str_addf(&l->sql, "t.%s", l->keys[i]->name);
}

/* Only what stands behind the marker: (keys) > (its values), or <. */
static void list_marker(struct list *l, struct arena *a)
{
    str_add(&l->sql, " AND (");
    for (size_t i = 0; i < l->n_keys; i++)
        key_add(l, i);
    str_add(&l->sql, l->q->ascending ? ") > (" : ") < (");
    for (size_t i = 0; i < l->n_keys; i++) {
        const struct task_column *key = l->keys[i];
        const char *at = (const char *)l->q->marker + key->at;
        struct list_value v = { .time = key->time };

        if (v.time)
            memcpy(&v.us, at, sizeof v.us);
        else
            memcpy(&v.text, at, sizeof v.text);
        str_add(&l->sql, i ? ", " : "");
        str_add(&l->sql, key->lowest ? "COALESCE(" : "");
        value_add(l, a, v);
        if (key->lowest)
            str_addf(&l->sql, ", %s)", key->lowest);
    }
    str_addc(&l->sql, ')');
}

/* Whether a filter has an index that finds few rows. */
static bool picks(const struct task_query *q)
{
    for (size_t i = 0; i < q->n_filters; i++)
        if (str_eq(q->filters[i].column, "id") || str_eq(q->filters[i].column, "image_id"))
            return true;
    return false;
}

static int list_build(struct list *l, struct arena *a, struct error *e)
{
    const struct task_query *q = l->q;

    str_addf(&l->sql,
             "SELECT " TASK_COLUMNS " FROM tasks t WHERE %s AND (t.expires_at IS NULL OR t.expires_at > ",
             picks(q) ? "NOT t.deleted" : "t.deleted = FALSE");
    value_add(l, a, (struct list_value){ .time = true, .us = clock_now_us() });
    str_addc(&l->sql, ')');
    if (!q->viewer.is_admin) {
        str_add(&l->sql, " AND t.owner = ");
        value_add(l, a, (struct list_value){ .text = q->viewer.project });
    }
    if (list_keys(l, e) < 0 || list_filters(l, a, e) < 0)
        return -1;
    if (q->marker)
        list_marker(l, a);
    str_add(&l->sql, " ORDER BY ");
    for (size_t i = 0; i < l->n_keys; i++) {
        key_add(l, i);
        str_add(&l->sql, q->ascending ? " ASC" : " DESC");
    }
    str_addf(&l->sql, " LIMIT ?%zu", l->n_values + 1);
    return 0;
}

static void list_bind(const struct list *l, struct db_stmt *s)
{
    for (size_t i = 0; i < l->n_values; i++) {
        const struct list_value *v = &l->values[i];

        if (!v->time)
            db_bind_text(s, (int)i + 1, v->text);
        else if (v->us)
            db_bind_time(s, (int)i + 1, v->us);
        else
            db_bind_null(s, (int)i + 1);
    }
    db_bind_int(s, (int)l->n_values + 1, l->q->limit);
}

typedef void task_reader(struct db_stmt *s, struct arena *a, struct task *ret);

static int rows_read(struct db_stmt *s, struct arena *a, task_reader *one, struct task **ret, size_t *ret_n,
                     struct error *e)
{
    struct task *list = NULL;
    size_t n = 0, cap = 0;
    int row;

    while ((row = db_step(s, e)) > 0)
        one(s, a, ARENA_PUSH(a, list, n, cap));
    if (row < 0)
        return -1;
    *ret = list;
    *ret_n = n;
    return 0;
}

int task_list(struct db_conn *c, struct arena *a, const struct task_query *q, struct task **ret,
              size_t *ret_n, struct error *e)
{
    CLEANUP(list_done) struct list l = { .q = q };
    struct db_stmt *s;

    if (list_build(&l, a, e) < 0 || db_prepare_text(c, str_text(&l.sql), &s, e) < 0)
        return -1;
    list_bind(&l, s);
    return rows_read(s, a, row_read, ret, ret_n, e);
}

int task_list_of_image(struct db_conn *c, struct arena *a, const char *image_id, const struct viewer *v,
                       struct task **ret, size_t *ret_n, struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(c,
                   WHOLE_TASKS "WHERE t.image_id = ?1 AND (t.expires_at IS NULL OR t.expires_at > ?2) AND "
                               "(?3 OR (NOT t.deleted AND t.owner = ?4)) ORDER BY t.created_at, t.id",
                   &s, e) < 0)
        return -1;
    db_bind_text(s, 1, image_id);
    db_bind_time(s, 2, clock_now_us());
    db_bind_bool(s, 3, v->is_admin);
    db_bind_text(s, 4, v->project);
    return rows_read(s, a, whole_row_read, ret, ret_n, e);
}

/* ---- expiry ---- */

static int expired_exist(struct db_conn *c, int64_t now, bool *ret, struct error *e)
{
    struct db_stmt *s;

    if (db_prepare(c, "SELECT 1 FROM tasks WHERE deleted = FALSE AND expires_at <= ?1", &s, e) < 0)
        return -1;
    db_bind_time(s, 1, now);
    return stmt_found(s, ret, e);
}

static int expire(struct db_conn *c, void *ret_n, struct error *e)
{
    int64_t now = clock_now_us();
    struct db_stmt *s;

    if (db_prepare(
            c,
            "UPDATE tasks SET deleted = TRUE, deleted_at = ?1, updated_at = ?2 WHERE deleted = FALSE AND "
            "expires_at <= ?3",
            &s, e) < 0)
        return -1;
    for (int i = 1; i <= 3; i++)
        db_bind_time(s, i, now);
    return db_run(s, ret_n, e);
}

int task_expire(struct db_conn *c, int64_t *ret_n, struct error *e)
{
    static const struct db_unit unit = { "task.expire", expire, db_unit_idempotent };
    bool exist;

    *ret_n = 0;
    if (expired_exist(c, clock_now_us(), &exist, e) < 0)
        return -1;
    return exist ? db_write_on(c, &unit, ret_n, e) : 0;
}
