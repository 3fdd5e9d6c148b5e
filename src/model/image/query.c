/* SPDX-License-Identifier: Apache-2.0 */
/* The SQL of a page of images, put together from the query; list.c says why it has the shape it has. */
#include "model/image/query.h"

#include <string.h>

static const struct attribute *find_column(const char *name)
{
    const struct attribute *a = attribute_find(&image_resource, name);

    return a && attribute_has_column(a) ? a : NULL;
}

/* ---- values ---- */

void build_done(struct build *b)
{
    str_done(&b->sql);
}

static void add_value(struct build *b, struct attribute_value v)
{
    *ARENA_PUSH(b->arena, b->values, b->n_values, b->cap_values) = v;
    str_addf(&b->sql, "?%zu", b->n_values);
}

static void add_text(struct build *b, const char *text)
{
    add_value(b, (struct attribute_value){ .type = ATTRIBUTE_TEXT, .text = text });
}

static void add_number(struct build *b, enum attribute_type type, int64_t number)
{
    add_value(b, (struct attribute_value){ .type = type, .number = number });
}

void build_bind(const struct build *b, struct db_stmt *s)
{
    for (size_t i = 0; i < b->n_values; i++)
        attribute_value_bind(s, (int)i + 1, &b->values[i]);
}

/* ---- order ---- */

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
        if (!o->column || o->column->sort == 0)
            return error_set(e, ERROR_INTERNAL, "Images cannot be sorted by '%s'", q->sorts[i].column);
        has_id = strcmp(o->column->name, "id") == 0;
        if (o->ascending != b->order[0].ascending)
            b->same_way = false;
        if (i > 0 && o->column->lowest)
            b->simple = false;
        if (q->marker)
            o->marker = attribute_get(o->column, q->marker);
    }
    if (!has_id)
        return error_set(e, ERROR_INTERNAL, "An order of images must end with the id");
    b->simple = b->simple && b->same_way;
    return 0;
}

static void add_order(struct build *b)
{
    for (size_t i = 0; i < b->n_order; i++)
        str_addf(&b->sql, "%s%s%s", i ? ", " : " ORDER BY ", b->order[i].column->name,
                 b->order[i].ascending ? "" : " DESC");
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
    if (o->marker.null) {
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

    if (o->marker.null) {
        str_addf(&b->sql, "%s IS NOT NULL", name);
        return;
    }
    str_addf(&b->sql, "(%s %c ", name, o->ascending ? '>' : '<');
    add_value(b, o->marker);
    if (o->column->lowest && nulls_last(b, i))
        str_addf(&b->sql, " OR %s IS NULL", name);
    str_addc(&b->sql, ')');
}

/* The general form, for keys in different directions or several that may be NULL: the first key that differs
 * decides. */
static void add_marker_general(struct build *b)
{
    const char *between = " AND (";

    for (size_t i = 0; i < b->n_order; i++) {
        if (b->order[i].marker.null && nulls_last(b, i))
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

int build_segments(const struct build *b)
{
    if (!b->q->marker || !b->simple || !b->order[0].column->lowest)
        return 1;
    return b->order[0].marker.null != nulls_last(b, 0) ? 2 : 1;
}

static void add_marker(struct build *b, int segment)
{
    const struct order *first = &b->order[0];

    if (!b->q->marker)
        return;
    if (!b->simple) {
        add_marker_general(b);
    } else if (segment == 1) {
        if (first->marker.null)
            str_addf(&b->sql, " AND %s >= %s", first->column->name, first->column->lowest);
        else
            str_addf(&b->sql, " AND %s IS NULL", first->column->name);
    } else if (first->marker.null) {
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
    add_number(b, ATTRIBUTE_TIME, f->number);
}

static void add_property(struct build *b, const struct image_filter *f)
{
    str_add(&b->sql,
            " AND EXISTS (SELECT 1 FROM image_properties p WHERE p.image_id = images.id AND p.name = ");
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
        str_add(&b->sql,
                " AND EXISTS (SELECT 1 FROM image_tags t WHERE t.image_id = images.id AND t.value = ");
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
        str_addf(&b->sql, " AND %s %s ", f->column,
                 f->kind == FILTER_INT       ? "="
                 : f->kind == FILTER_INT_MIN ? ">="
                                             : "<=");
        add_number(b, ATTRIBUTE_NUMBER, f->number);
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

static int check_filters(const struct image_query *q, struct error *e)
{
    for (size_t i = 0; i < q->n_filters; i++) {
        const struct image_filter *f = &q->filters[i];
        bool free_name = f->kind == FILTER_PROPERTY || f->kind == FILTER_TAG || f->kind == FILTER_NOTHING;

        if (!free_name && !find_column(f->column))
            return error_set(e, ERROR_INTERNAL, "Images have no column '%s'", f->column);
    }
    return 0;
}

/* ---- who sees what ---- */

size_t build_parts(const struct image_query *q, enum part ret[PARTS_MAX])
{
    int v = q->visibility;
    size_t n = 0;

    if (q->viewer.project && v != IMAGE_PUBLIC && v != IMAGE_COMMUNITY)
        ret[n++] = PART_OWN;
    if (v == VISIBILITY_ANY || v == VISIBILITY_ALL || v == IMAGE_PUBLIC)
        ret[n++] = PART_PUBLIC;
    if (v == VISIBILITY_ALL || v == IMAGE_COMMUNITY)
        ret[n++] = PART_COMMUNITY;
    if (q->viewer.project && (v == VISIBILITY_ANY || v == VISIBILITY_ALL || v == IMAGE_SHARED))
        ret[n++] = PART_SHARED;
    return n;
}

const char *build_member_status(const struct image_query *q)
{
    if (!q->member_status)
        return "accepted";
    return strcmp(q->member_status, "all") == 0 ? NULL : q->member_status;
}

static void add_member(struct build *b)
{
    const char *status = build_member_status(b->q);

    add_text(b, b->q->viewer.project);
    if (status) {
        str_add(&b->sql, " AND m.status = ");
        add_text(b, status);
    }
}

static void add_shared(struct build *b)
{
    if (b->plan == PLAN_WALK || b->plan == PLAN_PICKED || b->many_shared) {
        str_addf(&b->sql,
                 "%s AND EXISTS (SELECT 1 FROM image_members m WHERE m.image_id = images.id AND m.member = ",
                 b->plan == PLAN_PARTS ? "visibility = 'shared'" : "NOT visibility <> 'shared'");
        add_member(b);
        str_add(&b->sql, " AND NOT m.deleted)");
        return;
    }
    str_add(&b->sql,
            "NOT visibility <> 'shared' AND id IN (SELECT m.image_id FROM image_members m WHERE m.member = ");
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
    n = build_parts(q, parts);
    for (size_t i = 0; i < n; i++) {
        str_add(&b->sql, i ? " OR (" : " AND ((");
        add_part(b, parts[i]);
        str_addc(&b->sql, ')');
    }
    str_add(&b->sql, n ? ")" : " AND 1 = 0");
}

/* ---- the statement ---- */

bool build_by_creation(const struct build *b)
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

    str_addf(&b->sql, "SELECT %s FROM images WHERE ", image_sql()->columns);
    add_base(b, indexed);
    if (part == PART_ALL) {
        add_visible(b);
        add_visibility(b, indexed && build_by_creation(b));
    } else {
        str_add(&b->sql, " AND ");
        add_part(b, part);
        add_visibility(b, false);
    }
    for (size_t i = 0; i < b->q->n_filters; i++)
        add_filter(b, &b->q->filters[i]);
    add_marker(b, segment);
    if (!b->sort_apart)
        add_order(b);
    str_add(&b->sql, " LIMIT ");
    add_number(b, ATTRIBUTE_NUMBER, b->sort_apart ? INT64_MAX : b->q->limit);
}

void build_statement(struct build *b, int segment)
{
    enum part parts[PARTS_MAX] = { PART_ALL };
    size_t n = b->plan == PLAN_PARTS || b->plan == PLAN_SORT ? build_parts(b->q, parts) : 1;
    bool merged = n > 1 || b->sort_apart;

    str_clear(&b->sql);
    b->n_values = 0;
    for (size_t i = 0; i < n; i++) {
        str_add(&b->sql, i ? " UNION ALL " : "");
        str_add(&b->sql, merged ? "SELECT * FROM (" : "");
        add_walk(b, parts[i], segment);
        str_add(&b->sql, merged ? ") AS part" : "");
    }
    if (!merged)
        return;
    add_order(b);
    if (b->sort_apart) { /* also keeps SQLite from folding the inner statement into this one */
        str_add(&b->sql, " LIMIT ");
        add_number(b, ATTRIBUTE_NUMBER, b->q->limit);
    }
}

void build_part(struct build *b, enum part part)
{
    str_clear(&b->sql);
    b->n_values = 0;
    add_walk(b, part, 0);
}

int build_init(struct build *b, const struct image_query *q, struct arena *a, enum db_dialect dialect,
               struct error *e)
{
    *b = (struct build){ .q = q, .arena = a, .nulls_high = dialect == DB_POSTGRES };
    return read_order(b, e) < 0 ? -1 : check_filters(q, e);
}
