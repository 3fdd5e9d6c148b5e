/* SPDX-License-Identifier: Apache-2.0 */
/* One page of images.
 *
 * The cost has to grow with the page, not with the table. A page is a short walk along an index that has the wanted
 * order (db/schema/0002-glint.sql), starting right after the marker. Two things would turn the walk into a scan, so
 * the statement is put together from parts, each a walk of its own that ends after `limit` rows, and the few rows
 * that they find are merged:
 *
 *  1 What a project sees (its own images, public ones, those shared with it) has no common index: one part for each.
 *    A row may come out of two parts; equal ids are neighbours in the order and the second one is dropped.
 *  2 NULL cannot be reached by comparing with the marker: where the first sort key may be NULL, its NULLs are a part.
 *
 * Orders other than by created_at have an index for the whole table only. There a viewer with few images gets them all
 * sorted (PLAN_SORT), and one with many a walk over everybody's images that skips what he may not see (PLAN_WALK):
 * where he sees many, few are skipped. MANY is the border. */
#include "model/rows.h"

#include <stdlib.h>
#include <string.h>

enum { MANY = 1000 };

/* ---- columns ---- */

enum column_type { COLUMN_TEXT, COLUMN_INT, COLUMN_TIME, COLUMN_BOOL };

struct column {
    const char      *name;
    enum column_type type;
    bool             sortable;
    const char      *lowest; /* of a sortable column that may be NULL: not above any value */
};

static const struct column image_columns[] = {
    { "id", COLUMN_TEXT, true, NULL },
    { "name", COLUMN_TEXT, true, "''" },
    { "status", COLUMN_TEXT, true, NULL },
    { "container_format", COLUMN_TEXT, true, "''" },
    { "disk_format", COLUMN_TEXT, true, "''" },
    { "size", COLUMN_INT, true, "0" },
    { "created_at", COLUMN_TIME, true, NULL },
    { "updated_at", COLUMN_TIME, true, "'0001-01-01 00:00:00'" },
    { "deleted_at", COLUMN_TIME, false, NULL },
    { "owner", COLUMN_TEXT, false, NULL },
    { "checksum", COLUMN_TEXT, false, NULL },
    { "os_hash_algo", COLUMN_TEXT, false, NULL },
    { "os_hash_value", COLUMN_TEXT, false, NULL },
    { "visibility", COLUMN_TEXT, false, NULL },
    { "virtual_size", COLUMN_INT, false, NULL },
    { "min_disk", COLUMN_INT, false, NULL },
    { "min_ram", COLUMN_INT, false, NULL },
    { "protected", COLUMN_BOOL, false, NULL },
    { "os_hidden", COLUMN_BOOL, false, NULL },
    { "deleted", COLUMN_BOOL, false, NULL },
};

static const struct column *find_column(const char *name)
{
    for (size_t i = 0; i < COUNT(image_columns); i++)
        if (strcmp(image_columns[i].name, name) == 0)
            return &image_columns[i];
    return NULL;
}

bool image_column_known(const char *name)
{
    return find_column(name) != NULL;
}

/* ---- the statement under construction ---- */

struct value {
    enum column_type type;
    const char      *text;
    int64_t          number;
};

struct order {
    const struct column *column;
    bool                 ascending;
    struct value         marker;
    bool                 marker_null;
};

enum plan {
    PLAN_WALK,   /* along the order's index over everybody's images */
    PLAN_PARTS,  /* along the index of each thing that the viewer sees */
    PLAN_SORT,   /* all that the viewer sees, which is little */
    PLAN_PICKED  /* a filter finds few rows by itself */
};

struct build {
    const struct image_query *q;
    struct arena             *arena;
    struct str                sql;
    struct value             *values;
    size_t                    n_values, cap_values;
    struct order              order[IMAGE_SORTS_MAX];
    size_t                    n_order;
    bool                      same_way;   /* all keys in one direction */
    bool                      simple;     /* same_way, and only the first key may be NULL */
    bool                      nulls_high; /* the database puts NULL above every value */
    bool                      many_shared;
    enum plan                 plan;
};

static void build_done(struct build *b)
{
    str_done(&b->sql);
}

static void add_value(struct build *b, struct value v)
{
    *ARENA_PUSH(b->arena, b->values, b->n_values, b->cap_values) = v;
    str_addf(&b->sql, "?%zu", b->n_values);
}

static void add_text(struct build *b, const char *text)
{
    add_value(b, (struct value){ .type = COLUMN_TEXT, .text = text });
}

static void add_number(struct build *b, enum column_type type, int64_t number)
{
    add_value(b, (struct value){ .type = type, .number = number });
}

static void bind_values(const struct build *b, struct db_stmt *s)
{
    for (size_t i = 0; i < b->n_values; i++) {
        const struct value *v = &b->values[i];
        int at = (int)i + 1;

        switch (v->type) {
        case COLUMN_TEXT:
            db_bind_text(s, at, v->text);
            break;
        case COLUMN_INT:
            db_bind_int(s, at, v->number);
            break;
        case COLUMN_TIME:
            db_bind_time(s, at, v->number);
            break;
        case COLUMN_BOOL:
            db_bind_bool(s, at, v->number != 0);
            break;
        }
    }
}

/* ---- order ---- */

static struct value value_of(const struct image *im, const struct column *column, bool *ret_null)
{
    const struct { const char *name; struct value value; bool null; } all[] = {
        { "id", { COLUMN_TEXT, im->id, 0 }, false },
        { "name", { COLUMN_TEXT, im->name, 0 }, !im->name },
        { "status", { COLUMN_TEXT, image_status_name(im->status), 0 }, false },
        { "container_format", { COLUMN_TEXT, im->container_format, 0 }, !im->container_format },
        { "disk_format", { COLUMN_TEXT, im->disk_format, 0 }, !im->disk_format },
        { "size", { COLUMN_INT, NULL, im->size }, im->size < 0 },
        { "created_at", { COLUMN_TIME, NULL, im->created_us }, false },
        { "updated_at", { COLUMN_TIME, NULL, im->updated_us }, im->updated_us == 0 },
    };
    size_t i = 0;

    while (i + 1 < COUNT(all) && strcmp(all[i].name, column->name) != 0)
        i++;
    *ret_null = all[i].null;
    return all[i].value;
}

/* What stands after the id cannot matter: ids are unique. */
static int read_order(struct build *b, struct error *e)
{
    const struct image_query *q = b->q;
    bool has_id = false;

    b->same_way = b->simple = true;
    for (size_t i = 0; i < q->n_sorts && !has_id; i++) {
        struct order *o = &b->order[b->n_order++];

        o->column = find_column(q->sorts[i].column);
        o->ascending = q->sorts[i].ascending;
        if (!o->column || !o->column->sortable)
            return error_set(e, ERROR_INTERNAL, "Images cannot be sorted by '%s'", q->sorts[i].column);
        has_id = strcmp(o->column->name, "id") == 0;
        if (o->ascending != b->order[0].ascending)
            b->same_way = false;
        if (i > 0 && o->column->lowest)
            b->simple = false;
        if (q->marker)
            o->marker = value_of(q->marker, o->column, &o->marker_null);
    }
    if (!has_id)
        return error_set(e, ERROR_INTERNAL, "An order of images must end with the id");
    b->simple = b->simple && b->same_way;
    return 0;
}

static void add_order(struct build *b)
{
    for (size_t i = 0; i < b->n_order; i++)
        str_addf(&b->sql, "%s%s%s", i ? ", " : " ORDER BY ", b->order[i].column->name, b->order[i].ascending ? "" : " DESC");
}

static bool nulls_last(const struct build *b, size_t i)
{
    return b->nulls_high == b->order[i].ascending;
}

/* (k, …, id) beyond the marker's, from the key `from` on; no NULL is. */
static void add_beyond(struct build *b, size_t from)
{
    str_add(&b->sql, " AND (");
    for (size_t i = from; i < b->n_order; i++)
        str_addf(&b->sql, "%s%s", i > from ? ", " : "", b->order[i].column->name);
    str_addf(&b->sql, ") %c (", b->order[0].ascending ? '>' : '<');
    for (size_t i = from; i < b->n_order; i++) {
        if (i > from)
            str_add(&b->sql, ", ");
        add_value(b, b->order[i].marker);
    }
    str_addc(&b->sql, ')');
}

static void add_equal(struct build *b, const struct order *o)
{
    str_add(&b->sql, o->column->name);
    if (o->marker_null) {
        str_add(&b->sql, " IS NULL AND ");
        return;
    }
    str_add(&b->sql, " = ");
    add_value(b, o->marker);
    str_add(&b->sql, " AND ");
}

static void add_after(struct build *b, size_t i)
{
    const struct order *o = &b->order[i];
    const char *name = o->column->name;

    if (o->marker_null) {
        str_addf(&b->sql, "%s IS NOT NULL", name);
        return;
    }
    str_addf(&b->sql, "(%s %c ", name, o->ascending ? '>' : '<');
    add_value(b, o->marker);
    if (o->column->lowest && nulls_last(b, i))
        str_addf(&b->sql, " OR %s IS NULL", name);
    str_addc(&b->sql, ')');
}

/* The general form, for keys in different directions or several that may be NULL: the first key that differs decides. */
static void add_marker_general(struct build *b)
{
    const char *between = " AND (";

    for (size_t i = 0; i < b->n_order; i++) {
        if (b->order[i].marker_null && nulls_last(b, i))
            continue; /* nothing comes after NULL in this key */
        str_add(&b->sql, between);
        between = " OR ";
        str_addc(&b->sql, '(');
        for (size_t j = 0; j < i; j++)
            add_equal(b, &b->order[j]);
        add_after(b, i);
        str_addc(&b->sql, ')');
    }
    str_addc(&b->sql, ')');
}

/* How many parts the marker makes of each walk. */
static int count_segments(const struct build *b)
{
    if (!b->q->marker || !b->simple || !b->order[0].column->lowest)
        return 1;
    return b->order[0].marker_null != nulls_last(b, 0) ? 2 : 1;
}

static void add_marker(struct build *b, int segment)
{
    const struct order *first = &b->order[0];

    if (!b->q->marker)
        return;
    if (!b->simple) {
        add_marker_general(b);
    } else if (segment == 1) {
        if (first->marker_null)
            str_addf(&b->sql, " AND %s >= %s", first->column->name, first->column->lowest);
        else
            str_addf(&b->sql, " AND %s IS NULL", first->column->name);
    } else if (first->marker_null) {
        str_addf(&b->sql, " AND %s IS NULL", first->column->name);
        add_beyond(b, 1);
    } else {
        add_beyond(b, 0);
    }
}

/* ---- filters ---- */

static void add_any_of(struct build *b, const struct image_filter *f)
{
    if (f->n_values == 1) {
        str_addf(&b->sql, " AND %s = ", f->column);
        add_text(b, f->values[0]);
        return;
    }
    str_addf(&b->sql, " AND %s IN (", f->column);
    for (size_t i = 0; i < f->n_values; i++) {
        if (i)
            str_add(&b->sql, ", ");
        add_text(b, f->values[i]);
    }
    str_addc(&b->sql, ')');
}

static void add_comparison(struct build *b, const struct image_filter *f)
{
    static const char *const ops[] = {
        [OP_EQ] = "=", [OP_NEQ] = "<>", [OP_GT] = ">", [OP_GTE] = ">=", [OP_LT] = "<", [OP_LTE] = "<=",
    };

    str_addf(&b->sql, " AND %s %s ", f->column, ops[f->op]);
    add_number(b, COLUMN_TIME, f->number);
}

static void add_property(struct build *b, const struct image_filter *f)
{
    str_add(&b->sql, " AND EXISTS (SELECT 1 FROM image_properties p WHERE p.image_id = images.id AND p.name = ");
    add_text(b, f->column);
    str_add(&b->sql, " AND p.value = ");
    add_text(b, f->values[0]);
    str_add(&b->sql, " AND NOT p.deleted)");
}

static void add_tag(struct build *b, const struct image_filter *f)
{
    if (b->plan == PLAN_PICKED)
        str_add(&b->sql, " AND id IN (SELECT t.image_id FROM image_tags t WHERE t.value = ");
    else
        str_add(&b->sql, " AND EXISTS (SELECT 1 FROM image_tags t WHERE t.image_id = images.id AND t.value = ");
    add_text(b, f->values[0]);
    str_add(&b->sql, " AND NOT t.deleted)");
}

static void add_filter(struct build *b, const struct image_filter *f)
{
    switch (f->kind) {
    case FILTER_TEXT:
        add_any_of(b, f);
        return;
    case FILTER_INT:
    case FILTER_INT_MIN:
    case FILTER_INT_MAX:
        str_addf(&b->sql, " AND %s %s ", f->column, f->kind == FILTER_INT ? "=" : f->kind == FILTER_INT_MIN ? ">=" : "<=");
        add_number(b, COLUMN_INT, f->number);
        return;
    case FILTER_TIME:
        add_comparison(b, f);
        return;
    case FILTER_BOOL:
        str_addf(&b->sql, " AND %s = %s", f->column, f->number ? "TRUE" : "FALSE");
        return;
    case FILTER_PROPERTY:
        add_property(b, f);
        return;
    case FILTER_TAG:
        add_tag(b, f);
        return;
    case FILTER_NOTHING:
        return; /* image_list() has answered already */
    }
}

static bool is_nothing(const struct image_filter *f)
{
    return f->kind == FILTER_NOTHING || (f->kind == FILTER_TEXT && f->n_values == 0);
}

static int check_filters(const struct image_query *q, bool *ret_nothing, struct error *e)
{
    *ret_nothing = false;
    for (size_t i = 0; i < q->n_filters; i++) {
        const struct image_filter *f = &q->filters[i];

        if (is_nothing(f))
            *ret_nothing = true;
        else if (f->kind != FILTER_PROPERTY && f->kind != FILTER_TAG && !find_column(f->column))
            return error_set(e, ERROR_INTERNAL, "Images have no column '%s'", f->column);
    }
    return 0;
}

/* ---- who sees what ---- */

enum part { PART_ALL, PART_OWN, PART_PUBLIC, PART_COMMUNITY, PART_SHARED };
enum { PARTS_MAX = 4, VISIBILITY_ANY = -1, VISIBILITY_ALL = -2 };

/* The parts of what a viewer who is no administrator sees. */
static size_t list_parts(const struct image_query *q, enum part out[PARTS_MAX])
{
    int v = q->visibility;
    size_t n = 0;

    if (q->viewer.project && v != IMAGE_PUBLIC && v != IMAGE_COMMUNITY)
        out[n++] = PART_OWN;
    if (v == VISIBILITY_ANY || v == VISIBILITY_ALL || v == IMAGE_PUBLIC)
        out[n++] = PART_PUBLIC;
    if (v == VISIBILITY_ALL || v == IMAGE_COMMUNITY)
        out[n++] = PART_COMMUNITY;
    if (q->viewer.project && (v == VISIBILITY_ANY || v == VISIBILITY_ALL || v == IMAGE_SHARED))
        out[n++] = PART_SHARED;
    return n;
}

static bool any_member_status(const struct image_query *q)
{
    return !q->member_status || strcmp(q->member_status, "all") == 0;
}

static void add_member(struct build *b)
{
    add_text(b, b->q->viewer.project);
    if (!any_member_status(b->q)) {
        str_add(&b->sql, " AND m.status = ");
        add_text(b, b->q->member_status);
    }
}

static void add_shared(struct build *b)
{
    if (b->plan == PLAN_WALK || b->plan == PLAN_PICKED || b->many_shared) {
        str_addf(&b->sql, "%s AND EXISTS (SELECT 1 FROM image_members m WHERE m.image_id = images.id AND m.member = ",
                 b->plan == PLAN_PARTS ? "visibility = 'shared'" : "NOT visibility <> 'shared'");
        add_member(b);
        str_add(&b->sql, " AND NOT m.deleted)");
        return;
    }
    str_add(&b->sql, "NOT visibility <> 'shared' AND id IN (SELECT m.image_id FROM image_members m WHERE m.member = ");
    add_member(b);
    str_add(&b->sql, " AND m.deleted = FALSE)");
}

static void add_part(struct build *b, enum part part)
{
    switch (part) {
    case PART_ALL:
        return;
    case PART_OWN:
        str_add(&b->sql, "owner = ");
        add_text(b, b->q->viewer.project);
        return;
    case PART_PUBLIC:
        str_add(&b->sql, "visibility = 'public'");
        return;
    case PART_COMMUNITY:
        str_add(&b->sql, "visibility = 'community'");
        return;
    case PART_SHARED:
        add_shared(b);
        return;
    }
}

/* Everything the viewer sees as one condition. */
static void add_visible(struct build *b)
{
    const struct image_query *q = b->q;
    enum part parts[PARTS_MAX];
    size_t n;

    if (q->viewer.is_admin) {
        if (q->visibility != VISIBILITY_ANY)
            return;
        str_add(&b->sql, " AND (visibility <> 'community'");
        if (q->viewer.project) {
            str_add(&b->sql, " OR owner = ");
            add_text(b, q->viewer.project);
        }
        str_addc(&b->sql, ')');
        return;
    }
    n = list_parts(q, parts);
    for (size_t i = 0; i < n; i++) {
        str_add(&b->sql, i ? " OR (" : " AND ((");
        add_part(b, parts[i]);
        str_addc(&b->sql, ')');
    }
    str_add(&b->sql, n ? ")" : " AND 1 = 0");
}

/* ---- the statement ---- */

static bool by_creation(const struct build *b)
{
    return b->same_way && strcmp(b->order[0].column->name, "created_at") == 0;
}

/* In the form that an index finds, or in one that no index understands. */
static void add_base(struct build *b, bool indexed)
{
    if (indexed)
        str_addf(&b->sql, "deleted = FALSE AND os_hidden = %s", b->q->os_hidden ? "TRUE" : "FALSE");
    else
        str_addf(&b->sql, "NOT deleted AND %sos_hidden", b->q->os_hidden ? "" : "NOT ");
    str_add(&b->sql, " AND status <> 'killed'");
}

static void add_visibility(struct build *b, bool indexed)
{
    if (b->q->visibility >= 0)
        str_addf(&b->sql, indexed ? " AND visibility = '%s'" : " AND NOT visibility <> '%s'",
                 image_visibility_name((enum image_visibility)b->q->visibility));
}

static void add_walk(struct build *b, enum part part, int segment)
{
    bool indexed = b->plan == PLAN_WALK || (b->plan == PLAN_PARTS && (part != PART_SHARED || b->many_shared));

    str_add(&b->sql, "SELECT " IMAGE_COLUMNS " FROM images WHERE ");
    add_base(b, indexed);
    if (part == PART_ALL) {
        add_visible(b);
        add_visibility(b, indexed && by_creation(b));
    } else {
        str_add(&b->sql, " AND ");
        add_part(b, part);
        add_visibility(b, false);
    }
    for (size_t i = 0; i < b->q->n_filters; i++)
        add_filter(b, &b->q->filters[i]);
    add_marker(b, segment);
    add_order(b);
    str_add(&b->sql, " LIMIT ");
    add_number(b, COLUMN_INT, b->q->limit);
}

static void add_statement(struct build *b)
{
    enum part parts[PARTS_MAX] = { PART_ALL };
    size_t n = b->plan == PLAN_PARTS || b->plan == PLAN_SORT ? list_parts(b->q, parts) : 1;
    int segments = count_segments(b);
    bool merged = n * (size_t)segments > 1;
    const char *between = "";

    for (size_t i = 0; i < n; i++) {
        for (int segment = 0; segment < segments; segment++, between = " UNION ALL ") {
            str_add(&b->sql, between);
            str_add(&b->sql, merged ? "SELECT * FROM (" : "");
            add_walk(b, parts[i], segment);
            str_add(&b->sql, merged ? ") AS part" : "");
        }
    }
    if (merged)
        add_order(b);
}

/* ---- choosing the plan ---- */

/* Whether more than MANY rows answer the statement `SELECT 1 …`, whose LIMIT is the last parameter. */
static int count_many(struct db_conn *c, const char *sql, const char *first, const char *second, bool *ret, struct error *e)
{
    CLEANUP(stmt_reset) struct db_stmt *s = NULL;
    int at = 1, row;

    if (db_prepare(c, sql, &s, e) < 0)
        return -1;
    db_bind_text(s, at++, first);
    if (second)
        db_bind_text(s, at++, second);
    db_bind_int(s, at, MANY + 1);
    row = db_step(s, e);
    if (row < 0)
        return -1;
    *ret = row > 0 && db_int(s, 0) > MANY;
    return 0;
}

static int count_part(struct db_conn *c, const struct image_query *q, enum part part, bool *ret, struct error *e)
{
    static const char owner[] = "SELECT COUNT(*) FROM (SELECT 1 FROM images WHERE owner = ?1 AND deleted = FALSE LIMIT ?2) AS t";
    static const char visibility[] =
        "SELECT COUNT(*) FROM (SELECT 1 FROM images WHERE visibility = ?1 AND deleted = FALSE LIMIT ?2) AS t";
    static const char members[] =
        "SELECT COUNT(*) FROM (SELECT 1 FROM image_members WHERE member = ?1 AND deleted = FALSE LIMIT ?2) AS t";
    static const char members_status[] = "SELECT COUNT(*) FROM (SELECT 1 FROM image_members WHERE member = ?1 "
                                         "AND deleted = FALSE AND status = ?2 LIMIT ?3) AS t";

    switch (part) {
    case PART_OWN:
        return count_many(c, owner, q->viewer.project, NULL, ret, e);
    case PART_PUBLIC:
        return count_many(c, visibility, "public", NULL, ret, e);
    case PART_COMMUNITY:
        return count_many(c, visibility, "community", NULL, ret, e);
    case PART_SHARED:
        if (any_member_status(q))
            return count_many(c, members, q->viewer.project, NULL, ret, e);
        return count_many(c, members_status, q->viewer.project, q->member_status, ret, e);
    case PART_ALL:
        break;
    }
    *ret = true;
    return 0;
}

/* Whether a filter finds a few rows through an index that has nothing to do with the order. */
static int find_pick(struct db_conn *c, const struct image_query *q, bool *ret, struct error *e)
{
    static const char tags[] = "SELECT COUNT(*) FROM (SELECT 1 FROM image_tags WHERE value = ?1 LIMIT ?2) AS t";
    static const char *const unique[] = { "id", "checksum", "os_hash_value" };

    *ret = false;
    for (size_t i = 0; i < q->n_filters && !*ret; i++) {
        const struct image_filter *f = &q->filters[i];
        bool many;

        for (size_t k = 0; f->kind == FILTER_TEXT && k < COUNT(unique); k++)
            if (strcmp(f->column, unique[k]) == 0)
                *ret = true;
        if (f->kind == FILTER_TAG) {
            if (count_many(c, tags, f->values[0], NULL, &many, e) < 0)
                return -1;
            *ret = !many;
        }
    }
    return 0;
}

static bool filters_name(const struct image_query *q)
{
    for (size_t i = 0; i < q->n_filters; i++)
        if (q->filters[i].kind == FILTER_TEXT && strcmp(q->filters[i].column, "name") == 0)
            return true;
    return false;
}

static int choose_plan(struct build *b, struct db_conn *c, struct error *e)
{
    enum part parts[PARTS_MAX];
    size_t n = list_parts(b->q, parts);
    bool picked, many = false;

    if (find_pick(c, b->q, &picked, e) < 0)
        return -1;
    b->plan = picked ? PLAN_PICKED : PLAN_WALK;
    if (picked || b->q->viewer.is_admin || n == 0 || filters_name(b->q))
        return 0;
    b->plan = by_creation(b) ? PLAN_PARTS : PLAN_SORT;
    for (size_t i = 0; i < n && !many; i++)
        if ((b->plan == PLAN_SORT || parts[i] == PART_SHARED) && count_part(c, b->q, parts[i], &many, e) < 0)
            return -1;
    if (b->plan == PLAN_SORT && many)
        b->plan = PLAN_WALK;
    b->many_shared = many;
    return 0;
}

/* ---- reading ---- */

struct page {
    struct image  *images;
    size_t         n, cap;
    struct image **by_id; /* sorted */
};

static int read_images(struct db_conn *c, struct build *b, struct page *p, struct error *e)
{
    CLEANUP(stmt_reset) struct db_stmt *s = NULL;
    int row = 0;

    if (db_prepare_text(c, str_text(&b->sql), &s, e) < 0)
        return -1;
    bind_values(b, s);
    while ((int64_t)p->n < b->q->limit && (row = db_step(s, e)) > 0) {
        struct image *im;

        if (p->n && strcmp(p->images[p->n - 1].id, db_text(s, 0)) == 0)
            continue; /* found by two parts */
        im = ARENA_PUSH(b->arena, p->images, p->n, p->cap);
        *im = (struct image){ 0 };
        if (image_row_read(s, b->arena, im, e) < 0)
            return -1;
    }
    return row < 0 ? -1 : 0;
}

static int compare_ids(const void *a, const void *b)
{
    const struct image *const *x = a, *const *y = b;

    return strcmp((*x)->id, (*y)->id);
}

static void sort_page(struct page *p, struct arena *a)
{
    p->by_id = arena_array(a, struct image *, p->n);
    for (size_t i = 0; i < p->n; i++)
        p->by_id[i] = &p->images[i];
    qsort(p->by_id, p->n, sizeof *p->by_id, compare_ids);
}

static struct image *page_find(const struct page *p, const char *id)
{
    struct image wanted = { .id = id };
    const struct image *key = &wanted;
    struct image **found = bsearch(&key, p->by_id, p->n, sizeof *p->by_id, compare_ids);

    return found ? *found : NULL;
}

/* The statement's ids are filled up with the last one to a few sizes, so that few statements have to be kept. */
static size_t padded(size_t n)
{
    static const size_t sizes[] = { 1, 5, 25, 100, 300 };

    for (size_t i = 0; i < COUNT(sizes); i++)
        if (n <= sizes[i])
            return sizes[i];
    return 1000;
}

static int read_children(struct db_conn *c, struct arena *a, const struct page *p, size_t from, const char *select,
                         void (*add)(struct db_stmt *, int, struct arena *, struct image *), struct error *e)
{
    size_t n = p->n - from < 1000 ? p->n - from : 1000, wide = padded(n);
    CLEANUP(str_done) struct str sql = STR_INIT;
    struct image *im = NULL;
    struct db_stmt *s;
    int row;

    str_add(&sql, select);
    for (size_t i = 1; i <= wide; i++)
        str_addf(&sql, i > 1 ? ",?%zu" : "?%zu", i);
    str_add(&sql, ") AND NOT deleted ORDER BY image_id, id");
    if (db_prepare_text(c, str_text(&sql), &s, e) < 0)
        return -1;
    for (size_t i = 0; i < wide; i++)
        db_bind_text(s, (int)i + 1, p->by_id[from + (i < n ? i : n - 1)]->id);
    while ((row = db_step(s, e)) > 0) {
        const char *id = db_text(s, 0);

        if (!im || strcmp(im->id, id) != 0)
            im = page_find(p, id);
        if (im)
            add(s, 1, a, im);
    }
    return row;
}

static int read_page(struct db_conn *c, struct build *b, struct page *p, struct error *e)
{
    static const struct {
        const char *select;
        void      (*add)(struct db_stmt *, int, struct arena *, struct image *);
    } children[] = {
        { "SELECT image_id, name, value FROM image_properties WHERE image_id IN (", image_row_property },
        { "SELECT image_id, value FROM image_tags WHERE image_id IN (", image_row_tag },
        { "SELECT image_id, id, value, meta_data, status FROM image_locations WHERE image_id IN (", image_row_location },
    };

    if (choose_plan(b, c, e) < 0)
        return -1;
    add_statement(b);
    if (read_images(c, b, p, e) < 0)
        return -1;
    sort_page(p, b->arena);
    for (size_t from = 0; from < p->n; from += 1000)
        for (size_t i = 0; i < COUNT(children); i++)
            if (read_children(c, b->arena, p, from, children[i].select, children[i].add, e) < 0)
                return -1;
    return 0;
}

/* One snapshot for all statements of the page. */
static int read_snapshot(struct db_conn *c, struct build *b, struct page *p, struct error *e)
{
    if (db_in_transaction(c))
        return read_page(c, b, p, e);
    if (db_begin_read(c, e) < 0)
        return -1;
    if (read_page(c, b, p, e) < 0) {
        db_rollback(c);
        return -1;
    }
    return db_commit(c, e);
}

int image_list(struct db_conn *c, struct arena *a, const struct image_query *q, struct image **ret, size_t *ret_n,
               struct error *e)
{
    CLEANUP(build_done) struct build b = { .q = q, .arena = a, .nulls_high = db_conn_dialect(c) == DB_POSTGRES };
    struct page p = { 0 };
    bool nothing;

    if (read_order(&b, e) < 0 || check_filters(q, &nothing, e) < 0)
        return -1;
    if (!nothing && q->limit > 0 && read_snapshot(c, &b, &p, e) < 0)
        return -1;
    *ret = p.images;
    *ret_n = p.n;
    return 0;
}
