/* SPDX-License-Identifier: Apache-2.0 */
/* From a paste file to the filters that stand before the application (Paste Deploy loadwsgi.py; Glance 33
 * glance/api/__init__.py root_app_factory, pipeline_factory; glance/common/config.py load_paste_app).
 *
 * We cannot run the factories a file names; we know what those of Glance and its libraries do. Any other
 * may guard the service, so it stops the start. */
#include "conf/paste.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The pipeline as callers see it, and what it lives in. */
struct loaded {
    struct pipeline pipeline;
    struct arena *arena;
};

struct builder {
    struct arena *arena;
    struct paste paste;
    const char *flavor;
    struct filter *filters;
    size_t n, cap;
    struct healthcheck_mount *healthchecks;
    size_t n_healthchecks, cap_healthchecks;
    bool versions, v1, v2;
};

/* ---- filters ---- */

static int make_filter(const struct builder *b, const struct paste_section *s, struct filter *ret,
                       const char **ret_unserved, struct error *e)
{
    const struct paste_section *last;
    const struct paste_factory *f;
    const char *colon = strchr(s->name, ':');

    if (paste_find_factory(&b->paste, s, &last, &f, e) < 0)
        return -1;
    if (f->kind == FILTER_KINDS && !f->unserved)
        return paste_refuse(&b->paste, s->entries[0].line, e, s->name, "is used as a filter and is none");
    ret->kind = f->kind;
    ret->name = colon ? colon + 1 : s->name;
    *ret_unserved = f->unserved;
    return paste_options(&b->paste, s, last, &ret->options, e);
}

static int add_filter(struct builder *b, const char *mount, const struct paste_section *s, struct error *e)
{
    const char *unserved;
    struct filter made;

    if (make_filter(b, s, &made, &unserved, e) < 0)
        return -1;
    if (unserved)
        return error_set(e, ERROR_INVALID, "%s:%u: the pipeline contains the filter '%s', and %s",
                         b->paste.path, s->entries[0].line, made.name, unserved);
    if (!str_eq(mount, "/"))
        return error_set(e, ERROR_INVALID,
                         "%s:%u: the filter '%s' stands before %s alone: filters are supported before "
                         "the whole service",
                         b->paste.path, s->entries[0].line, made.name, mount);
    *ARENA_PUSH(b->arena, b->filters, b->n, b->cap) = made;
    return 0;
}

static int add_filter_named(struct builder *b, const char *mount, const struct paste_section *by,
                            unsigned line, const char *name, struct error *e)
{
    const struct paste_section *s = paste_find(&b->paste, paste_filter_prefixes, name);

    if (!s)
        return error_set(e, ERROR_INVALID,
                         "%s:%u: [%s] names the filter '%s', and there is no section [filter:%s]",
                         b->paste.path, line, by->name, name, name);
    return add_filter(b, mount, s, e);
}

/* ---- applications ---- */

static int walk(struct builder *b, const char *mount, const struct paste_section *by, unsigned line,
                const char *name, int depth, struct error *e);

/* "filter filter … application" */
static int walk_pipeline(struct builder *b, const char *mount, const struct paste_section *by, unsigned line,
                         const char *words, int depth, struct error *e)
{
    const char *blanks = " \t\r\n", *word = words + strspn(words, blanks);

    if (!*word)
        return paste_refuse(&b->paste, line, e, by->name, "an empty pipeline");
    for (;;) {
        size_t n = strcspn(word, blanks);
        char *name = arena_strn(b->arena, word, n);

        word += n;
        word += strspn(word, blanks);
        if (!*word)
            return walk(b, mount, by, line, name, depth + 1, e);
        if (add_filter_named(b, mount, by, line, name, e) < 0)
            return -1;
    }
}

static const char *join_mount(struct arena *a, const char *mount, const char *path)
{
    size_t n = strlen(path);

    while (n > 1 && path[n - 1] == '/')
        n--;
    if (str_eq(mount, "/"))
        return arena_strn(a, path, n);
    return n == 1 ? mount : arena_printf(a, "%s%.*s", mount, (int)n, path);
}

/* The line of a key in the section, or in the one whose factory it uses. */
static int get_through(const struct builder *b, const struct paste_section *s,
                       const struct paste_section *last, const char *key, const char **ret,
                       unsigned *ret_line, struct error *e)
{
    *ret_line = s->entries[0].line;
    if (paste_get(&b->paste, s, key, ret, ret_line, e) < 0)
        return -1;
    return *ret ? 0 : paste_get(&b->paste, last, key, ret, ret_line, e);
}

static int walk_urlmap(struct builder *b, const char *mount, const struct paste_section *s,
                       const struct paste_section *last, int depth, struct error *e)
{
    const char *const *options;

    if (paste_options(&b->paste, s, last, &options, e) < 0)
        return -1;
    for (; *options; options++) {
        const char *key = arena_strn(b->arena, *options, strcspn(*options, "=")), *name;
        unsigned line;

        if (*key != '/')
            continue;
        if (get_through(b, s, last, key, &name, &line, e) < 0)
            return -1;
        if (walk(b, join_mount(b->arena, mount, key), s, line, name, depth + 1, e) < 0)
            return -1;
    }
    return 0;
}

static int walk_flavors(struct builder *b, const char *mount, const struct paste_section *s,
                        const struct paste_section *last, int depth, struct error *e)
{
    const char *words, *flavor = *b->flavor ? b->flavor : "default";
    unsigned line;

    if (get_through(b, s, last, flavor, &words, &line, e) < 0)
        return -1;
    if (!words)
        return error_set(e, ERROR_INVALID, "%s:%u: [%s] has no pipeline '%s' ([paste_deploy] flavor)",
                         b->paste.path, line, s->name, flavor);
    return walk_pipeline(b, mount, s, line, words, depth, e);
}

static int add_healthcheck(struct builder *b, const char *mount, const struct paste_section *s,
                           struct error *e)
{
    struct filter *made = arena_new(b->arena, struct filter);
    const char *unserved;

    *ARENA_PUSH(b->arena, b->healthchecks, b->n_healthchecks, b->cap_healthchecks) =
        (struct healthcheck_mount){ .path = mount, .filter = made };
    return make_filter(b, s, made, &unserved, e);
}

static int add_api(struct builder *b, bool *seen, const char *wanted, const char *mount,
                   const struct paste_section *s, struct error *e)
{
    if (!str_eq(mount, wanted))
        return error_set(e, ERROR_INVALID, "%s:%u: [%s] stands at %s: it is served at %s only", b->paste.path,
                         s->entries[0].line, s->name, mount, wanted);
    *seen = true;
    return 0;
}

static int walk_made(struct builder *b, const char *mount, const struct paste_section *s, int depth,
                     struct error *e)
{
    const struct paste_section *last;
    const struct paste_factory *f;

    if (paste_find_factory(&b->paste, s, &last, &f, e) < 0)
        return -1;
    switch (f->made) {
    case MADE_URLMAP:
        return walk_urlmap(b, mount, s, last, depth, e);
    case MADE_FLAVORS:
        return walk_flavors(b, mount, s, last, depth, e);
    case MADE_HEALTHCHECK:
        return add_healthcheck(b, mount, s, e);
    case MADE_VERSIONS:
        return add_api(b, &b->versions, "/", mount, s, e);
    case MADE_V2:
        return add_api(b, &b->v2, "/v2", mount, s, e);
    case MADE_V1:
        return add_api(b, &b->v1, "/v1", mount, s, e);
    case MADE_FILTER:
        break;
    }
    return paste_refuse(&b->paste, s->entries[0].line, e, s->name,
                        "a filter where an application is expected");
}

/* [app:x] use = y, where y is a pipeline: it has no factory of its own to look for. */
static const struct paste_section *pipeline_used(const struct builder *b, const struct paste_section *s)
{
    static const char *const pipelines[] = { "pipeline", "filter-app", NULL };

    for (size_t i = 0; i < s->n; i++)
        if (str_eq(s->entries[i].key, "use"))
            return paste_find(&b->paste, pipelines, s->entries[i].value);
    return NULL;
}

static int walk_section(struct builder *b, const char *mount, const struct paste_section *s, int depth,
                        struct error *e)
{
    const char *with, *words, *next;
    unsigned line = s->entries[0].line;

    if (depth >= PASTE_NESTING_MAX)
        return paste_refuse(&b->paste, line, e, s->name, "leads in a circle");
    if (paste_get(&b->paste, s, "filter-with", &with, &line, e) < 0)
        return -1;
    if (with && add_filter_named(b, mount, s, line, with, e) < 0)
        return -1;
    if (str_starts(s->name, "pipeline:")) {
        if (paste_get(&b->paste, s, "pipeline", &words, &line, e) < 0)
            return -1;
        return words ? walk_pipeline(b, mount, s, line, words, depth, e)
                     : paste_refuse(&b->paste, line, e, s->name, "has no line 'pipeline'");
    }
    if (!str_starts(s->name, "filter-app:")) {
        const struct paste_section *used = pipeline_used(b, s);

        return used ? walk_section(b, mount, used, depth + 1, e) : walk_made(b, mount, s, depth, e);
    }
    if (add_filter(b, mount, s, e) < 0 || paste_get(&b->paste, s, "next", &next, &line, e) < 0)
        return -1;
    return next ? walk(b, mount, s, line, next, depth + 1, e)
                : paste_refuse(&b->paste, line, e, s->name, "has no line 'next'");
}

static int walk(struct builder *b, const char *mount, const struct paste_section *by, unsigned line,
                const char *name, int depth, struct error *e)
{
    const struct paste_section *s = paste_find(&b->paste, paste_app_prefixes, name);

    if (!s)
        return error_set(e, ERROR_INVALID,
                         "%s:%u: [%s] names '%s', and there is no section [app:%s], [composite:%s] or "
                         "[pipeline:%s]",
                         b->paste.path, line, by->name, name, name, name, name);
    return walk_section(b, mount, s, depth, e);
}

/* ---- the whole ---- */

static int no_such_flavor(const struct builder *b, const char *name, struct error *e)
{
    CLEANUP(str_done) struct str known = STR_INIT;

    for (size_t i = 0; i < b->paste.n; i++) {
        const char *at = strstr(b->paste.sections[i].name, ":glance-api");

        if (at)
            str_addf(&known, "%s%s", known.len ? ", " : "", at + 1);
    }
    return error_set(e, ERROR_INVALID,
                     "%s: no section [composite:%s] or [pipeline:%s] for [paste_deploy] flavor '%s'; there "
                     "is: %s",
                     b->paste.path, name, name, b->flavor, known.len ? str_text(&known) : "none");
}

static const struct filter *filter_of(const struct builder *b, enum filter_kind kind)
{
    for (size_t i = 0; i < b->n; i++)
        if (b->filters[i].kind == kind)
            return &b->filters[i];
    return NULL;
}

static int check_whole(const struct builder *b, const char *name, struct error *e)
{
    if (!b->versions || !b->v2)
        return error_set(e, ERROR_INVALID, "%s: '%s' does not lead to the Images API", b->paste.path, name);
    if (!filter_of(b, FILTER_UNAUTHENTICATED) && !filter_of(b, FILTER_CONTEXT))
        return error_set(e, ERROR_INVALID,
                         "%s: the pipeline of '%s' has no context filter: nobody says who asks",
                         b->paste.path, name);
    return 0;
}

/* The filter that older releases of oslo.middleware have beside the application. */
static void add_healthcheck_filters(struct builder *b)
{
    for (size_t i = 0; i < b->n; i++) {
        const char *path;

        if (b->filters[i].kind != FILTER_HEALTHCHECK)
            continue;
        path = filter_option(&b->filters[i], "path");
        *ARENA_PUSH(b->arena, b->healthchecks, b->n_healthchecks, b->cap_healthchecks) =
            (struct healthcheck_mount){ path ? path : "/healthcheck", true, &b->filters[i] };
    }
}

static void fill(struct builder *b, const char *name, struct pipeline *ret)
{
    add_healthcheck_filters(b);
    *ret = (struct pipeline){
        .name = name,
        .flavor = b->flavor,
        .source = b->paste.path,
        .filters = b->filters,
        .n_filters = b->n,
        .healthchecks = b->healthchecks,
        .n_healthchecks = b->n_healthchecks,
    };
}

/* Beside the last configuration file: glance-api.conf has glance-api-paste.ini. */
static const char *find_beside(struct arena *a, const struct config *c)
{
    const char *last = NULL, *path, *slash;
    size_t n;

    for (const char *const *f = conf_files(c); *f; f++)
        last = *f;
    if (!last)
        return NULL;
    n = strlen(last);
    n -= str_ends(last, ".conf") ? 5 : 0;
    path = arena_printf(a, "%.*s-paste.ini", (int)n, last);
    if (access(path, F_OK) == 0)
        return path;
    slash = strrchr(last, '/');
    path = arena_printf(a, "%.*sglance-api-paste.ini", slash ? (int)(slash - last + 1) : 0, last);
    return access(path, F_OK) == 0 ? path : NULL;
}

/* A relative name is looked for from here, then beside each configuration file. */
static const char *find_named(struct arena *a, const struct config *c, const char *name)
{
    if (*name == '/' || access(name, F_OK) == 0)
        return name;
    for (const char *const *f = conf_files(c); *f; f++) {
        const char *slash = strrchr(*f, '/');
        const char *path = arena_printf(a, "%.*s%s", slash ? (int)(slash - *f + 1) : 0, *f, name);

        if (access(path, F_OK) == 0)
            return path;
    }
    return name;
}

static int read_paste(struct builder *b, const struct config *c, struct error *e)
{
    const char *named = config_str(c, "paste_deploy", "config_file");
    const char *path = named && *named ? find_named(b->arena, c, named) : find_beside(b->arena, c);
    CLEANUP(mem_free_ptr) char *text = NULL;
    size_t len;

    if (!path)
        return paste_parse(b->arena, "built-in", paste_built_in, strlen(paste_built_in), &b->paste, e);
    text = config_file_read(path, &len, e);
    if (!text)
        return -1;
    return paste_parse(b->arena, arena_str(b->arena, path), text, len, &b->paste, e);
}

static int build(struct builder *b, const struct config *c, struct pipeline *ret, struct error *e)
{
    const char *flavor = config_str(c, "paste_deploy", "flavor"), *name;
    const struct paste_section *s;

    b->flavor = arena_str(b->arena, flavor ? flavor : "");
    name = *b->flavor ? arena_printf(b->arena, "glance-api-%s", b->flavor) : "glance-api";
    if (read_paste(b, c, e) < 0)
        return -1;
    s = paste_find(&b->paste, paste_app_prefixes, name);
    if (!s)
        return no_such_flavor(b, name, e);
    if (walk_section(b, "/", s, 0, e) < 0 || check_whole(b, name, e) < 0)
        return -1;
    fill(b, name, ret);
    return 0;
}

int pipeline_load(const struct config *c, struct pipeline **ret, struct error *e)
{
    struct arena *a = arena_make(8192);
    struct loaded *l = arena_new(a, struct loaded);
    struct builder b = { .arena = a };

    l->arena = a;
    if (build(&b, c, &l->pipeline, e) < 0) {
        arena_free(a);
        return -1;
    }
    *ret = &l->pipeline;
    return 0;
}

void pipeline_free(struct pipeline *p)
{
    if (p)
        arena_free(((struct loaded *)p)->arena);
}
