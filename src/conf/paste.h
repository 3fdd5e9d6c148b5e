/* SPDX-License-Identifier: Apache-2.0 */
/* A paste file as sections of key = value, with %(name)s replaced; between paste.c and paste_file.c. */
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

#endif
