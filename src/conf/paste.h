/* SPDX-License-Identifier: Apache-2.0 */
/* A paste file as sections of key = value, with %(name)s replaced; private to the paste*.c files. */
#ifndef CONF_PASTE_H
#define CONF_PASTE_H

#include "conf/conf.h"

struct paste_entry {
    const char *key, *value; /* value as written */
    unsigned line;
};

struct paste_section {
    const char *name;
    struct paste_entry *entries;
    size_t n, cap;
};

struct paste {
    struct arena *arena;
    const char *path;
    struct paste_section *sections; /* the first is DEFAULT */
    size_t n, cap;
};

extern const char paste_built_in[];

int paste_parse(struct arena *a, const char *path, const char *text, size_t len, struct paste *ret,
                struct error *e) MUST_CHECK;
/* The section "<prefix>:<name>" with any of the prefixes (NULL-terminated), or NULL. */
const struct paste_section *paste_find(const struct paste *p, const char *const *prefixes, const char *name);
/* The section's own value with its references replaced (DEFAULT serves them, and nothing else); *ret is NULL
 * when there is no such key. *ret_line may be NULL. */
int paste_get(const struct paste *p, const struct paste_section *s, const char *key, const char **ret,
              unsigned *ret_line, struct error *e) MUST_CHECK;

/* ---- the factories behind sections (paste_factory.c) ---- */

enum { PASTE_NESTING_MAX = 16 };

/* What a factory makes. */
enum made { MADE_FILTER, MADE_URLMAP, MADE_FLAVORS, MADE_VERSIONS, MADE_V1, MADE_V2, MADE_HEALTHCHECK };

struct paste_factory {
    const char *name; /* module:function, or egg#entry */
    enum made made;
    enum filter_kind kind; /* of MADE_FILTER */
    const char *unserved;  /* why a pipeline with it cannot start, or NULL */
};

/* Section types that make an application, and a filter; NULL-terminated. */
extern const char *const paste_app_prefixes[], *const paste_filter_prefixes[];

/* ERROR_INVALID with file, line and section; returns -1. */
int paste_refuse(const struct paste *p, unsigned line, struct error *e, const char *section,
                 const char *what);
/* The factory that the section names, by itself or through `use`; *ret_section: the one that names it. */
int paste_find_factory(const struct paste *p, const struct paste_section *s,
                       const struct paste_section **ret_section, const struct paste_factory **ret,
                       struct error *e) MUST_CHECK;
/* "key=value" of s and of the sections it uses, up to last; the nearer section wins. NULL-terminated. */
int paste_options(const struct paste *p, const struct paste_section *s, const struct paste_section *last,
                  const char *const **ret, struct error *e) MUST_CHECK;

#endif
