/* SPDX-License-Identifier: Apache-2.0 */
/* The attributes of a resource as one table: what its rows, its listings, the policy, its schema, its
 * documents and the bodies of clients know of each. Adding one takes a member of the resource's struct, a
 * column in a schema file of the database, and a line of the table.
 *
 * Tables are constant; all functions are thread-safe. */
#ifndef MODEL_ATTRIBUTE_H
#define MODEL_ATTRIBUTE_H

#include "base/base.h"
#include "db/db.h"

/* Of the member, and of the column. */
enum attribute_type {
    ATTRIBUTE_NONE,   /* neither: it is made where it is shown, or has rows of its own */
    ATTRIBUTE_TEXT,   /* const char *; NULL: null */
    ATTRIBUTE_NUMBER, /* int64_t */
    ATTRIBUTE_SIZE,   /* int64_t, bytes; -1: null */
    ATTRIBUTE_TIME,   /* int64_t, µs since 1970; 0: null */
    ATTRIBUTE_BOOL,   /* bool */
    ATTRIBUTE_ENUM,   /* an enum, by the names of its values */
};

enum attribute_writer {
    ATTRIBUTE_CLIENT,    /* clients set and change it */
    ATTRIBUTE_ONCE,      /* clients may set it when they make the resource, and not change it */
    ATTRIBUTE_SERVICE,   /* read-only for clients */
    ATTRIBUTE_UNGUARDED, /* read-only by the schema; what clients set under this name is a property */
    ATTRIBUTE_RESERVED,  /* clients may not use the name */
};

/* What a listing's parameter of this name does. */
enum attribute_filter {
    FILTERED_NOT, /* it is no attribute's */
    FILTERED_BY_OPERATOR,
    FILTERED_BY_TEXT,
    FILTERED_BY_NUMBER,
    FILTERED_BY_TIME,
    FILTERED_BY_BOOL,
    FILTERED_APART, /* read by the listing itself */
    FILTERED_NEVER, /* matches nothing */
};

struct attribute {
    const char *name; /* of the column, and in documents */
    enum attribute_type type;
    size_t at;                          /* offset of the member */
    const char *(*name_of)(int value);  /* of ATTRIBUTE_ENUM */
    bool (*parse)(const char *, int *); /* its inverse */
    int initial;                        /* of ATTRIBUTE_ENUM: the value of a new resource */
    bool kept;                          /* a save leaves the column alone */
    bool empty_is_null;                 /* of ATTRIBUTE_TEXT: "" is stored as NULL */
    enum attribute_writer writer;
    int sort;           /* place among the sort keys, as messages list them; 0: none */
    const char *lowest; /* SQL that sorts as NULL does, where the column may be NULL */
    enum attribute_filter filter;
    const char *rule;      /* its name in policy targets; NULL: they do not have it */
    int schema;            /* place in the schema document; 0: not in it */
    bool never_null;       /* of ATTRIBUTE_TEXT */
    int max_length;        /* characters; 0: any */
    const char *json_type; /* of ATTRIBUTE_NONE */
    const char *description;
    const char *more; /* further members of its schema, as JSON without braces; NULL */
};

struct resource {
    const char *table;
    const struct attribute *attributes; /* in the order of documents */
    size_t n;
};

/* One key of a listing's order. */
struct sort {
    const char *column;
    bool ascending;
};
enum { SORTS_MAX = 10 };

/* By its name; NULL: there is none. */
const struct attribute *attribute_find(const struct resource *r, const char *name);
static inline bool attribute_has_column(const struct attribute *a)
{
    return a->type != ATTRIBUTE_NONE;
}

/* A member's value. */
struct attribute_value {
    enum attribute_type type; /* TEXT for an enum, NUMBER for a size */
    bool null;
    const char *text;
    int64_t number; /* also of a bool and a time */
};
struct attribute_value attribute_get(const struct attribute *a, const void *item);
void attribute_value_bind(struct db_stmt *s, int at, const struct attribute_value *v);

/* Gives the members of a new resource their values: sizes and times are null, enums as the table says. */
void resource_init(const struct resource *r, void *item);

/* ---- rows ---- */

/* "id, name, …": every column, in the order of the table. */
void resource_add_columns(const struct resource *r, struct str *out);
/* INSERT with every column; UPDATE … SET of every column that a save writes: the number of the next
 * parameter. / */
void resource_add_insert(const struct resource *r, struct str *out);
int resource_add_update(const struct resource *r, struct str *out);
/* Reads every column from col on. ERROR_INTERNAL for an enum's value that no release wrote. */
int resource_read(const struct resource *r, struct db_stmt *s, int col, struct arena *a, void *item,
                  struct error *e) MUST_CHECK;
/* Binds every column, or those that a save writes, from parameter 1 on; returns the next one. */
int resource_bind_insert(const struct resource *r, struct db_stmt *s, const void *item);
int resource_bind_update(const struct resource *r, struct db_stmt *s, const void *item);

#endif
