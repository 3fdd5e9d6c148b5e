/* SPDX-License-Identifier: Apache-2.0 */
/* The statement that gives one page of images: query.c puts it together, list.c chooses how and
 * reads. */
#ifndef MODEL_IMAGE_QUERY_H
#define MODEL_IMAGE_QUERY_H

#include "model/rows.h"

struct order {
    const struct attribute *column;
    bool ascending;
    struct attribute_value marker;
};

enum plan {
    PLAN_WALK,  /* along the order's index over everybody's images */
    PLAN_PARTS, /* along the index of each thing that the viewer sees */
    PLAN_SORT,  /* all that the viewer sees, which is little */
    PLAN_PICKED /* a filter finds few rows by itself */
};

struct build {
    const struct image_query *q;
    struct arena *arena;
    struct str sql;
    struct attribute_value *values;
    size_t n_values, cap_values;
    struct order order[SORTS_MAX];
    size_t n_order;
    bool same_way;   /* all keys in one direction */
    bool simple;     /* same_way, and only the first key may be NULL */
    bool nulls_high; /* the database puts NULL above every value */
    bool many_shared;
    bool sort_apart; /* of PLAN_WALK: a filter has an index, the order must not bring its own */
    enum plan plan;
};

enum part { PART_ALL, PART_OWN, PART_PUBLIC, PART_COMMUNITY, PART_SHARED };
enum { PARTS_MAX = 4, VISIBILITY_ANY = -1, VISIBILITY_ALL = -2 };

/* Reads the order and checks the columns; ERROR_INTERNAL for what is no column. */
int build_init(struct build *b, const struct image_query *q, struct arena *a, enum db_dialect dialect,
               struct error *e) MUST_CHECK;
void build_done(struct build *b); /* for CLEANUP */

/* The parts of what a viewer who is no administrator sees. */
size_t build_parts(const struct image_query *q, enum part ret[PARTS_MAX]);
/* Whether the order is the one that every part has an index for. */
bool build_by_creation(const struct build *b);
/* The state of the membership that makes a shared image show; NULL: any. */
const char *build_member_status(const struct image_query *q);

/* How many statements the page may need, one after the other: beyond the marker, and then the NULLs or what
 * is none. */
int build_segments(const struct build *b);
/* With plan, many_shared and sort_apart set: writes b->sql and its values. */
void build_statement(struct build *b, int segment);
/* Of PLAN_PARTS: the same for one part. */
void build_part(struct build *b, enum part part);
void build_bind(const struct build *b, struct db_stmt *s);

#endif
