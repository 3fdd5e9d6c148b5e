/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by config*.c; private to them. */
#ifndef BASE_CONFIG_PRIVATE_H
#define BASE_CONFIG_PRIVATE_H

#include <stdatomic.h>

#include "base/base.h"

struct config_value {
    const char *text; /* substituted; NULL: unset */
    int64_t number;   /* BOOL too */
    double real;
    const char **items;
    size_t n_items;
};

/* One option of one section. Options of OPTION_ANY_GROUP have a slot for "*" (their defaults) and one more
 * for each section that sets them. */
struct config_slot {
    const struct option *option;
    const char *group;
    const char **raw; /* as written: one element, or several of OPTION_MULTI; none: not set */
    size_t n_raw, cap_raw;
    struct config_origin origin;
    const char *where; /* the origin in words */
    bool by_old_name;
    enum { SLOT_RAW, SLOT_BUSY, SLOT_DONE } state;
    struct config_value value;
};

struct config {
    _Atomic unsigned refs;
    struct arena *arena;
    const struct option *options;
    struct config_slot **slots; /* in table order, then as sections appear */
    size_t n_slots, cap_slots;
    struct config_slot **hash; /* open addressing over (group, name); a power of two */
    size_t hash_size;
    const char **files;
    size_t n_files, cap_files;
    const char **warnings;
    size_t n_warnings, cap_warnings;
};

/* config.c */
struct config_slot *config_find(const struct config *c, const char *group, const char *name);
bool config_group_eq(const char *a, const char *b);

/* config_value.c: text -> value of the option's type; -1: it is not one. */
int config_value_read(struct arena *a, const struct option *o, const char *text,
                      struct config_value *ret) MUST_CHECK;
/* "an integer from 1 to 10", for messages and for the sample file. */
void config_value_expected(const struct option *o, struct str *out);

/* config_expand.c: $name and ${section.name}. */
int config_expand(struct config *c, struct config_slot *s, const char *raw, struct str *out,
                  struct error *e) MUST_CHECK;
int config_slot_resolve(struct config *c, struct config_slot *s, struct error *e) MUST_CHECK;

/* config_names.c: suggestions for misspelt names. */
void config_suggest(const struct option *options, const char *group, const char *name, struct str *out);

#endif
