/* SPDX-License-Identifier: Apache-2.0 */
/* The options of a filter of oslo.middleware: those of its paste section win over the configuration's
 * (oslo.middleware 8.2 base.py, ConfigurableMiddleware). */
#include "conf/conf.h"

#include <string.h>

const struct filter *pipeline_filter(const struct pipeline *p, enum filter_kind kind)
{
    for (size_t i = 0; i < p->n_filters; i++)
        if (p->filters[i].kind == kind)
            return &p->filters[i];
    return NULL;
}

bool pipeline_has(const struct pipeline *p, enum filter_kind kind)
{
    return pipeline_filter(p, kind) != NULL;
}

const char *filter_option(const struct filter *f, const char *key)
{
    size_t n = strlen(key);

    for (const char *const *o = f->options; o && *o; o++)
        if (strncmp(*o, key, n) == 0 && (*o)[n] == '=')
            return *o + n + 1;
    return NULL;
}

/* What the section says of this group's options, as overrides. */
static const char *const *overrides_of(struct arena *a, const struct filter *f, const char *group)
{
    const char **items = NULL;
    size_t n = 0, cap = 0;

    for (const struct option *o = conf_options; o->name; o++) {
        const char *value = str_eq(o->group, group) ? filter_option(f, o->name) : NULL;

        if (value)
            *ARENA_PUSH(a, items, n, cap) = arena_printf(a, "%s.%s=%s", group, o->name, value);
    }
    *ARENA_PUSH(a, items, n, cap) = NULL;
    return items;
}

int filter_view_open(const struct filter *f, const struct config *c, const char *group,
                     struct filter_view *ret, struct error *e)
{
    struct arena *a = arena_make(1024);
    struct config_input in = { .options = conf_options,
                               .overrides = overrides_of(a, f, group),
                               .overrides_name = arena_printf(a, "paste section '%s'", f->name) };
    int result = config_read(&in, &ret->section, e);

    arena_free(a);
    ret->config = c;
    ret->group = group;
    return result;
}

void filter_view_done(struct filter_view *v)
{
    config_free(v->section);
    v->section = NULL;
}

const struct config *filter_view(const struct filter_view *v, const char *name)
{
    return config_is_set(v->section, v->group, name) ? v->section : v->config;
}
