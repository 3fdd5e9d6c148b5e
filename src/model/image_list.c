/* SPDX-License-Identifier: Apache-2.0 */
/* One page of images.
 *
 * The cost has to grow with the page, not with the table. A page is a short walk along an index that has the
 * wanted order (db/schema/0002-glint.sql), starting right after the marker. Two things would turn the walk
 * into a scan:
 *
 *  1 What a project sees (its own images, public ones, those shared with it) has no common index. Each part
 * is walked by itself, up to `limit` rows, and the few rows that they find are merged. A row may come out of
 * two parts; equal ids are neighbours in the order and the second one is dropped. 2 NULL cannot be reached by
 * comparing with the marker. Where the first sort key may be NULL, its NULLs are a segment: another
 * statement, run when the first one did not fill the page.
 *
 * Orders other than by created_at have an index for the whole table only. There a viewer with few images gets
 * them all sorted (PLAN_SORT), and one with many a walk over everybody's images that skips what he may not
 * see (PLAN_WALK): where he sees many, few are skipped. MANY is the border. What is shared with him is
 * decided the same way. */
#include "model/list.h"

#include <stdlib.h>
#include <string.h>

enum { MANY = 1000 };

/* ---- choosing the plan ---- */

/* Whether more than MANY rows answer the statement `SELECT 1 …`, whose LIMIT is the last parameter. */
static int count_many(struct db_conn *c, const char *sql, const char *first, const char *second, bool *ret,
                      struct error *e)
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

static const char count_owner[] =
    "SELECT COUNT(*) FROM (SELECT 1 FROM images WHERE owner = ?1 AND deleted = FALSE LIMIT ?2) AS t";

static int count_part(struct db_conn *c, const struct image_query *q, enum part part, bool *ret,
                      struct error *e)
{
    static const char visibility[] =
        "SELECT COUNT(*) FROM (SELECT 1 FROM images WHERE visibility = ?1 AND deleted = FALSE LIMIT ?2) AS t";
    static const char members[] = "SELECT COUNT(*) FROM (SELECT 1 FROM image_members WHERE member = ?1 AND "
                                  "deleted = FALSE LIMIT ?2) AS t";
    static const char members_status[] =
        "SELECT COUNT(*) FROM (SELECT 1 FROM image_members WHERE member = ?1 "
        "AND deleted = FALSE AND status = ?2 LIMIT ?3) AS t";

    switch (part) {
    case PART_OWN:
        return count_many(c, count_owner, q->viewer.project, NULL, ret, e);
    case PART_PUBLIC:
        return count_many(c, visibility, "public", NULL, ret, e);
    case PART_COMMUNITY:
        return count_many(c, visibility, "community", NULL, ret, e);
    case PART_SHARED:
        return count_many(c, build_member_status(q) ? members_status : members, q->viewer.project,
                          build_member_status(q), ret, e);
    case PART_ALL:
        break;
    }
    *ret = true;
    return 0;
}

static const struct image_filter *find_filter(const struct image_query *q, const char *column)
{
    for (size_t i = 0; i < q->n_filters; i++)
        if (q->filters[i].kind == FILTER_TEXT && strcmp(q->filters[i].column, column) == 0)
            return &q->filters[i];
    return NULL;
}

/* Whether a filter finds a few rows through an index that has nothing to do with the order. */
static int find_pick(struct db_conn *c, const struct build *b, bool *ret, struct error *e)
{
    static const char tags[] =
        "SELECT COUNT(*) FROM (SELECT 1 FROM image_tags WHERE value = ?1 LIMIT ?2) AS t";
    const struct image_query *q = b->q;
    const struct image_filter *owner = build_by_creation(b) ? NULL : find_filter(q, "owner");
    bool many;

    *ret = find_filter(q, "id") || find_filter(q, "checksum") || find_filter(q, "os_hash_value");
    if (!*ret && owner && owner->n_values == 1) {
        if (count_many(c, count_owner, owner->values[0], NULL, &many, e) < 0)
            return -1;
        *ret = !many;
    }
    for (size_t i = 0; i < q->n_filters && !*ret; i++) {
        if (q->filters[i].kind != FILTER_TAG)
            continue;
        if (count_many(c, tags, q->filters[i].values[0], NULL, &many, e) < 0)
            return -1;
        *ret = !many;
    }
    return 0;
}

static int choose_plan(struct build *b, struct db_conn *c, struct error *e)
{
    enum part parts[PARTS_MAX];
    size_t n = build_parts(b->q, parts);
    bool picked, many = false;

    if (find_pick(c, b, &picked, e) < 0)
        return -1;
    b->plan = picked ? PLAN_PICKED : PLAN_WALK;
    if (!picked && find_filter(b->q, "name")) {
        b->sort_apart = !build_by_creation(b) && strcmp(b->order[0].column->name, "name") != 0;
        return 0;
    }
    if (picked || b->q->viewer.is_admin || n == 0)
        return 0;
    b->plan = build_by_creation(b) ? PLAN_PARTS : PLAN_SORT;
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
    struct image *images;
    size_t n, cap;
    struct image **by_id; /* sorted */
};

static int read_segment(struct db_conn *c, struct build *b, int segment, struct page *p, struct error *e)
{
    CLEANUP(stmt_reset) struct db_stmt *s = NULL;
    int row = 0;

    build_statement(b, segment);
    if (db_prepare_text(c, str_text(&b->sql), &s, e) < 0)
        return -1;
    build_bind(b, s);
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

/* The statement's ids are filled up with the last one to a few sizes, so that few statements have to be kept.
 */
static size_t padded(size_t n)
{
    static const size_t sizes[] = { 1, 5, 25, 100, 300 };

    for (size_t i = 0; i < COUNT(sizes); i++)
        if (n <= sizes[i])
            return sizes[i];
    return 1000;
}

static int read_children(struct db_conn *c, struct arena *a, const struct page *p, size_t from,
                         const char *select,
                         void (*add)(struct db_stmt *, int, struct arena *, struct image *), struct error *e)
{
    size_t n = p->n - from < 1000 ? p->n - from : 1000, wide = padded(n);
    CLEANUP(str_done) struct str sql = STR_INIT;
    struct image *im = NULL;
    struct db_stmt *s;
    int row;

    str_add(&sql, select);
    for (size_t i = 1; i <= wide; i++) {
        str_add(&sql, i > 1 ? ",?" : "?");
        str_add_u64(&sql, i);
    }
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
        void (*add)(struct db_stmt *, int, struct arena *, struct image *);
    } children[] = {
        { "SELECT image_id, name, value FROM image_properties WHERE image_id IN (", image_row_property },
        { "SELECT image_id, value FROM image_tags WHERE image_id IN (", image_row_tag },
        { "SELECT image_id, " LOCATION_COLUMNS " FROM image_locations WHERE image_id IN (",
          image_row_location },
    };
    size_t n_children = COUNT(children) - b->q->without_locations;

    if (choose_plan(b, c, e) < 0)
        return -1;
    for (int i = 0; i < build_segments(b) && (int64_t)p->n < b->q->limit; i++)
        if (read_segment(c, b, i, p, e) < 0)
            return -1;
    sort_page(p, b->arena);
    for (size_t from = 0; from < p->n; from += 1000)
        for (size_t i = 0; i < n_children; i++)
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

static bool asks_for_nothing(const struct image_query *q)
{
    for (size_t i = 0; i < q->n_filters; i++)
        if (q->filters[i].kind == FILTER_NOTHING ||
            (q->filters[i].kind == FILTER_TEXT && q->filters[i].n_values == 0))
            return true;
    return q->limit <= 0;
}

int image_list(struct db_conn *c, struct arena *a, const struct image_query *q, struct image **ret,
               size_t *ret_n, struct error *e)
{
    CLEANUP(build_done) struct build b = { 0 };
    struct page p = { 0 };

    if (build_init(&b, q, a, db_conn_dialect(c), e) < 0)
        return -1;
    if (!asks_for_nothing(q) && read_snapshot(c, &b, &p, e) < 0)
        return -1;
    *ret = p.images;
    *ret_n = p.n;
    return 0;
}
