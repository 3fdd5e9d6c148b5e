/* SPDX-License-Identifier: Apache-2.0 */
/* One page of images.
 *
 * The cost has to grow with the page, not with the table. A page is a short walk along an index that has the
 * wanted order (db/schema/sqlite/0002-glint.sql), starting right after the marker. Two things would turn the
 * walk into a scan:
 *
 *  1 What a project sees (its own images, public ones, those shared with it) has no common index. Each part
 *    is walked by itself, up to `limit` rows, and the few rows found are merged. A row may come out of two
 *    parts; equal ids are neighbours in the order and the second one is dropped.
 *  2 Comparing with the marker never reaches NULL. Where the first sort key may be NULL, its NULLs are a
 *    segment: another statement, run when the first one did not fill the page.
 *
 * Orders other than by created_at have an index for the whole table only. There a viewer with few images gets
 * them all sorted (PLAN_SORT), and one with many a walk over everybody's images that skips what he may not
 * see (PLAN_WALK): where he sees many, few are skipped. MANY is the border. What is shared with him is
 * decided the same way. */
#include "model/image/query.h"

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
    bool cut;
};

static struct image *page_add(struct page *p, struct arena *a)
{
    struct image *im = ARENA_PUSH(a, p->images, p->n, p->cap);

    *im = (struct image){ 0 };
    return im;
}

static int read_segment(struct db_conn *c, struct build *b, int segment, struct page *p, struct error *e)
{
    CLEANUP(stmt_reset) struct db_stmt *s = NULL;
    int row = 0;

    build_statement(b, segment);
    if (db_prepare_text(c, str_text(&b->sql), &s, e) < 0)
        return -1;
    build_bind(b, s);
    while ((int64_t)p->n < b->q->limit && (row = db_step(s, e)) > 0) {
        struct image *im = page_add(p, b->arena);

        if (image_row_read(s, b->arena, im, e) < 0)
            return -1;
        if (p->n > 1 && strcmp(im[-1].id, im->id) == 0)
            p->n--; /* found by two parts */
    }
    return row < 0 ? -1 : 0;
}

/* ---- merging parts ----
 *
 * In the default order the parts need not pass through SQL's sorting, which moves whole rows: each part is
 * a walk along its index, and the next image is the first of what stands next in each. Which of two comes
 * first that were created at once only the database knows where its collation is not ours: then it sorts
 * the page. */

struct walk {
    struct db_stmt *stmt;
    struct image next;
    bool more;
};

static int walk_step(struct walk *w, struct arena *a, struct error *e)
{
    int row = db_step(w->stmt, e);

    w->more = row > 0;
    if (row <= 0)
        return row;
    w->next = (struct image){ 0 };
    return image_row_read(w->stmt, a, &w->next, e);
}

static void walks_done(struct walk (*all)[PARTS_MAX])
{
    for (size_t i = 0; i < PARTS_MAX; i++)
        stmt_reset(&(*all)[i].stmt);
}

/* By created_at, then id. */
static bool comes_before(const struct image *x, const struct image *y, bool ascending)
{
    if (x->created_us != y->created_us)
        return (x->created_us < y->created_us) == ascending;
    return (strcmp(x->id, y->id) < 0) == ascending;
}

static struct walk *walk_next(struct walk *all, size_t n, bool ascending)
{
    struct walk *first = NULL;

    for (size_t i = 0; i < n; i++)
        if (all[i].more && (!first || comes_before(&all[i].next, &first->next, ascending)))
            first = &all[i];
    return first;
}

static bool is_tied(const struct walk *all, size_t n, const struct walk *first)
{
    for (size_t i = 0; i < n; i++)
        if (all[i].more && all[i].next.created_us == first->next.created_us &&
            strcmp(all[i].next.id, first->next.id) != 0)
            return true;
    return false;
}

/* Two parts may find an image. */
static bool page_has(const struct page *p, const struct image *im)
{
    for (size_t i = p->n; i > 0 && p->images[i - 1].created_us == im->created_us; i--)
        if (strcmp(p->images[i - 1].id, im->id) == 0)
            return true;
    return false;
}

/* *ret_tied: the page is not complete, and cannot be. */
static int read_merged(struct db_conn *c, struct build *b, struct page *p, bool *ret_tied, struct error *e)
{
    CLEANUP(walks_done) struct walk all[PARTS_MAX] = { 0 };
    enum part parts[PARTS_MAX];
    size_t n = build_parts(b->q, parts);
    struct walk *w;

    for (size_t i = 0; i < n; i++) {
        build_part(b, parts[i]);
        if (db_prepare_text(c, str_text(&b->sql), &all[i].stmt, e) < 0)
            return -1;
        build_bind(b, all[i].stmt);
        if (walk_step(&all[i], b->arena, e) < 0)
            return -1;
    }
    *ret_tied = false;
    while ((int64_t)p->n < b->q->limit && (w = walk_next(all, n, b->order[0].ascending))) {
        *ret_tied = !db_sorts_bytewise(c) && is_tied(all, n, w);
        if (*ret_tied)
            return 0;
        if (!page_has(p, &w->next))
            *page_add(p, b->arena) = w->next;
        if ((int64_t)p->n < b->q->limit && walk_step(w, b->arena, e) < 0)
            return -1;
    }
    return 0;
}

static int read_images(struct db_conn *c, struct build *b, struct page *p, struct error *e)
{
    bool tied;

    if (b->plan == PLAN_PARTS && b->n_order == 2) {
        if (read_merged(c, b, p, &tied, e) < 0)
            return -1;
        if (!tied)
            return 0;
        p->n = 0;
    }
    for (int i = 0; i < build_segments(b) && (int64_t)p->n < b->q->limit; i++)
        if (read_segment(c, b, i, p, e) < 0)
            return -1;
    return 0;
}

/* Of the texts that clients can make long. */
static size_t text_bytes(const struct image *im)
{
    size_t bytes = 0;

    for (size_t i = 0; i < im->n_properties; i++)
        bytes += im->properties[i].value ? strlen(im->properties[i].value) : 0;
    for (size_t i = 0; i < im->n_locations; i++)
        bytes += strlen(im->locations[i].url) + strlen(im->locations[i].metadata);
    return bytes;
}

static int read_page(struct db_conn *c, struct build *b, struct page *p, struct error *e)
{
    size_t bytes = 0;

    if (choose_plan(b, c, e) < 0 || read_images(c, b, p, e) < 0)
        return -1;
    for (size_t i = 0; i < p->n; i++) {
        if (image_rows_load(c, b->arena, &p->images[i], !b->q->without_locations, e) < 0)
            return -1;
        bytes += text_bytes(&p->images[i]);
        if (bytes >= IMAGE_PAGE_BYTES && i + 1 < p->n) {
            p->cut = true;
            p->n = i + 1;
        }
    }
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
               size_t *ret_n, bool *ret_cut, struct error *e)
{
    CLEANUP(build_done) struct build b = { 0 };
    struct page p = { 0 };

    if (build_init(&b, q, a, db_conn_dialect(c), e) < 0)
        return -1;
    if (!asks_for_nothing(q) && read_snapshot(c, &b, &p, e) < 0)
        return -1;
    *ret = p.images;
    *ret_n = p.n;
    if (ret_cut)
        *ret_cut = p.cut;
    return 0;
}
