/* SPDX-License-Identifier: Apache-2.0 */
/* Reads every source into slots, checks the slots, and looks them up.
 *
 * Within files a later line wins; a current name wins over an old one of the same file. A stronger kind of
 * source (default < profile < file < environment < command line) replaces what weaker ones gave,
 * lists that accumulate included. */
#include "base/config_private.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* Sections are compared without case, but for DEFAULT (oslo.config cfg.py _normalize_group_name). */
bool config_group_eq(const char *a, const char *b)
{
    if (str_eq(a, "DEFAULT") || str_eq(b, "DEFAULT"))
        return str_eq(a, b);
    return str_eq_nocase(a, b);
}

/* ---- slots ---- */

static uint32_t slot_hash(const char *group, const char *name)
{
    uint32_t h = 2166136261u; /* FNV-1a */

    for (; *group; group++)
        h = (h ^ (unsigned char)lower(*group)) * 16777619u;
    h = (h ^ '/') * 16777619u;
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 16777619u;
    return h;
}

struct config_slot *config_find(const struct config *c, const char *group, const char *name)
{
    size_t mask = c->hash_size - 1;

    for (size_t i = slot_hash(group, name) & mask; c->hash[i]; i = (i + 1) & mask)
        if (strcmp(c->hash[i]->option->name, name) == 0 && config_group_eq(c->hash[i]->group, group))
            return c->hash[i];
    return NULL;
}

static void hash_put(struct config *c, struct config_slot *s)
{
    size_t mask = c->hash_size - 1, i = slot_hash(s->group, s->option->name) & mask;

    while (c->hash[i])
        i = (i + 1) & mask;
    c->hash[i] = s;
}

static struct config_slot *add_slot(struct config *c, const struct option *o, const char *group)
{
    struct config_slot *s = arena_new(c->arena, struct config_slot);

    s->option = o;
    s->group = group;
    s->where = "default";
    *ARENA_PUSH(c->arena, c->slots, c->n_slots, c->cap_slots) = s;
    if (c->n_slots * 2 > c->hash_size) {
        c->hash_size = c->hash_size ? c->hash_size * 2 : 1024;
        c->hash = arena_array(c->arena, struct config_slot *, c->hash_size);
        for (size_t i = 0; i < c->n_slots; i++)
            hash_put(c, c->slots[i]);
    } else {
        hash_put(c, s);
    }
    return s;
}

static void warn(struct config *c, const char *text)
{
    *ARENA_PUSH(c->arena, c->warnings, c->n_warnings, c->cap_warnings) = text;
}

/* ---- one assignment ---- */

struct assignment {
    struct config_origin origin;
    const char *where;
};

/* Whether `group` may hold the options of OPTION_ANY_GROUP: every section that the table does not name, and
 * those in which the table gives an option that flag. */
static bool is_backend_group(const struct config *c, const char *group)
{
    for (const struct option *o = c->options; o->name; o++)
        if (config_group_eq(o->group, group))
            if (o->flags & OPTION_ANY_GROUP)
                return true;
    for (const struct option *o = c->options; o->name; o++)
        if (config_group_eq(o->group, group))
            return false;
    return !str_eq(group, "DEFAULT");
}

/* `old` holds names like "GROUP/name", separated by commas. */
static bool has_old_name(const struct option *o, const char *group, const char *name)
{
    for (const char *p = o->old; p && *p;) {
        const char *slash = strchr(p, '/'), *end = strchrnul(p, ',');
        char was_group[64], was_name[64];

        snprintf(was_group, sizeof was_group, "%.*s", (int)(slash - p), p);
        snprintf(was_name, sizeof was_name, "%.*s", (int)(end - slash - 1), slash + 1);
        if (str_eq(was_name, name) && config_group_eq(was_group, group))
            return true;
        p = *end ? end + 1 : end;
    }
    return false;
}

static struct config_slot *find_by_old_name(struct config *c, const char *group, const char *name,
                                            const char *where)
{
    for (size_t i = 0; i < c->n_slots; i++) {
        const struct option *o = c->slots[i]->option;

        if (!has_old_name(o, group, name))
            continue;
        warn(c, arena_printf(c->arena, "%s: [%s] %s is an old name: write %s in section [%s]", where, group,
                             name, o->name, o->group));
        return c->slots[i];
    }
    return NULL;
}

static struct config_slot *find_or_make(struct config *c, const char *group, const char *name)
{
    struct config_slot *s = config_find(c, group, name), *base;

    if (s)
        return s;
    base = config_find(c, "*", name);
    if (!base || !is_backend_group(c, group))
        return NULL;
    return add_slot(c, base->option, arena_str(c->arena, group));
}

static void store(struct config *c, struct config_slot *s, bool by_old_name, const char *value,
                  const struct assignment *as)
{
    bool same_file = s->origin.kind == as->origin.kind && str_eq(s->origin.file, as->origin.file);

    if (by_old_name && s->n_raw > 0 && !s->by_old_name && same_file)
        return;
    if (s->option->type != OPTION_MULTI || s->origin.kind != as->origin.kind)
        s->n_raw = 0;
    *ARENA_PUSH(c->arena, s->raw, s->n_raw, s->cap_raw) = arena_str(c->arena, value);
    s->origin = as->origin;
    s->where = as->where;
    s->by_old_name = by_old_name;
}

static void assign(struct config *c, const char *group, const char *key, const char *value,
                   const struct assignment *as)
{
    CLEANUP(str_done) struct str hint = STR_INIT;
    char *name = arena_str(c->arena, key);
    struct config_slot *s;

    for (char *p = name; *p; p++)
        if (*p == '-')
            *p = '_';
    s = find_or_make(c, group, name);
    if (s) {
        store(c, s, false, value, as);
        return;
    }
    s = find_by_old_name(c, group, name, as->where);
    if (s) {
        store(c, s, true, value, as);
        return;
    }
    config_suggest(c->options, group, name, &hint);
    warn(c, arena_printf(c->arena, "%s: [%s] %s: unknown option, ignored%s", as->where, group, key,
                         str_text(&hint)));
}

/* ---- sources ---- */

struct file_reader {
    struct config *c;
    const char *path;
};

static int file_line(void *arg, const char *section, const char *key, const char *value, unsigned lineno,
                     struct error *e UNUSED)
{
    struct file_reader *r = arg;
    struct assignment as = { .origin = { ORIGIN_FILE, r->path, lineno },
                             .where = arena_printf(r->c->arena, "%s:%u", r->path, lineno) };

    assign(r->c, section, key, value, &as);
    return 0;
}

static int read_file(struct config *c, const char *path, struct error *e)
{
    struct file_reader r = { c, arena_str(c->arena, path) };
    CLEANUP(mem_free_ptr) char *text = NULL;
    size_t len = 0;

    text = config_file_read(path, &len, e);
    if (!text)
        return -1;
    *ARENA_PUSH(c->arena, c->files, c->n_files, c->cap_files) = r.path;
    return config_parse(path, text, len, file_line, &r, e);
}

static int is_conf_file(const struct dirent *d)
{
    return d->d_name[0] != '.' && str_ends(d->d_name, ".conf");
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int read_dir(struct config *c, const char *dir, struct error *e)
{
    struct dirent **names;
    int n = scandir(dir, &names, is_conf_file, by_bytes), failed = 0;

    if (n < 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            return 0;
        return error_set(e, ERROR_INVALID, "%s: cannot be read: %s", dir, strerror(errno));
    }
    for (int i = 0; i < n; i++) {
        if (!failed)
            failed = read_file(c, arena_printf(c->arena, "%s/%s", dir, names[i]->d_name), e);
        free(names[i]);
    }
    free(names);
    return failed;
}

enum pair_kind { PAIR_PROFILE, PAIR_SWITCH };

/* "group.name=value"; groups may have dots, names have none. */
static int read_pair(struct config *c, const char *pair, enum pair_kind kind, const char *where,
                     struct error *e)
{
    const char *equal = strchr(pair, '=');
    struct assignment as = { .origin = { .kind =
                                             kind == PAIR_PROFILE ? ORIGIN_PROFILE : ORIGIN_COMMAND_LINE } };
    char *left, *dot;

    if (!equal || equal == pair)
        return error_set(e, ERROR_INVALID, "'%.200s' is not of the form group.name=value", pair);
    left = arena_strn(c->arena, pair, (size_t)(equal - pair));
    as.origin.file = arena_str(c->arena, left);
    as.where = arena_str(c->arena, where);
    dot = strrchr(left, '.');
    if (dot)
        *dot = '\0';
    assign(c, dot ? left : "DEFAULT", dot ? dot + 1 : left, equal + 1, &as);
    return 0;
}

static int read_pairs(struct config *c, const char *const *pairs, enum pair_kind kind, const char *where,
                      struct error *e)
{
    for (; pairs && *pairs; pairs++)
        if (read_pair(c, *pairs, kind, where, e) < 0)
            return -1;
    return 0;
}

static void to_variable(const char *group, const char *name, struct str *out)
{
    str_clear(out);
    str_addf(out, "OS_%s__%s", group, name);
    for (size_t i = 0; i < out->len; i++)
        if (out->data[i] >= 'a' && out->data[i] <= 'z')
            out->data[i] = (char)(out->data[i] - 32);
        else if (out->data[i] == '-' || out->data[i] == '.')
            out->data[i] = '_';
}

/* OS_FAST__WEIGHT names an option of every backend in the section "fast"; the section may be named there
 * alone. */
static bool assign_backend_variable(struct config *c, const char *variable, size_t len, const char *value,
                                    const struct assignment *as)
{
    const char *split = memmem(variable + 3, len - 3, "__", 2);
    char *group, *name;

    if (!split || split == variable + 3)
        return false;
    group = arena_strn(c->arena, variable + 3, (size_t)(split - variable - 3));
    name = arena_strn(c->arena, split + 2, len - (size_t)(split + 2 - variable));
    str_lower(group);
    str_lower(name);
    if (!config_find(c, "*", name) || !is_backend_group(c, group))
        return false;
    assign(c, group, name, value, as);
    return true;
}

static void read_variable(struct config *c, const char *variable, struct str *buf)
{
    const char *equal = strchr(variable, '=');
    size_t len = equal ? (size_t)(equal - variable) : 0, n = c->n_slots;
    struct assignment as = { .origin = { .kind = ORIGIN_ENVIRONMENT } };

    if (!str_starts(variable, "OS_") || !memmem(variable, len, "__", 2))
        return;
    as.origin.file = arena_strn(c->arena, variable, len);
    as.where = arena_printf(c->arena, "environment variable %s", as.origin.file);
    for (size_t i = 0; i < n; i++) {
        to_variable(c->slots[i]->group, c->slots[i]->option->name, buf);
        if (buf->len == len && memcmp(buf->data, variable, len) == 0) {
            store(c, c->slots[i], false, equal + 1, &as);
            return;
        }
    }
    if (!assign_backend_variable(c, variable, len, equal + 1, &as))
        warn(c, arena_printf(c->arena, "%s: no such option, ignored", as.where));
}

static void read_environment(struct config *c, char **environment)
{
    CLEANUP(str_done) struct str buf = STR_INIT;

    for (; environment && *environment; environment++)
        read_variable(c, *environment, &buf);
}

static int read_sources(struct config *c, const struct config_input *in, struct error *e)
{
    if (read_pairs(c, in->profile, PAIR_PROFILE, "profile", e) < 0)
        return -1;
    for (const char *const *p = in->files; p && *p; p++)
        if (read_file(c, *p, e) < 0)
            return -1;
    for (const char *const *p = in->dirs; p && *p; p++)
        if (read_dir(c, *p, e) < 0)
            return -1;
    read_environment(c, in->environment);
    return read_pairs(c, in->overrides, PAIR_SWITCH, in->overrides_name ? in->overrides_name : "command line",
                      e);
}

static int resolve_all(struct config *c, struct error *e)
{
    for (size_t i = 0; i < c->n_slots; i++) {
        struct config_slot *s = c->slots[i];

        if (config_slot_resolve(c, s, e) < 0)
            return -1;
        if (s->n_raw > 0 && (s->option->flags & OPTION_NO_EFFECT) && s->origin.kind != ORIGIN_PROFILE)
            warn(c, arena_printf(c->arena, "%s: [%s] %s is accepted and has no effect here", s->where,
                                 s->group, s->option->name));
    }
    return 0;
}

static void config_unref(struct config **c)
{
    config_free(*c);
}

int config_read(const struct config_input *in, struct config **ret, struct error *e)
{
    CLEANUP(config_unref) struct config *c = mem_new(sizeof *c);

    c->refs = 1;
    c->arena = arena_make(64 * 1024);
    c->options = in->options;
    for (const struct option *o = in->options; o->name; o++)
        add_slot(c, o, o->group);
    if (read_sources(c, in, e) < 0 || resolve_all(c, e) < 0)
        return -1;
    *ARENA_PUSH(c->arena, c->warnings, c->n_warnings, c->cap_warnings) = NULL;
    *ARENA_PUSH(c->arena, c->files, c->n_files, c->cap_files) = NULL;
    *ret = TAKE(c);
    return 0;
}

struct config *config_ref(struct config *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void config_free(struct config *c)
{
    if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
        return;
    arena_free(c->arena);
    mem_free(c);
}

/* ---- getters ---- */

static const struct config_slot *get(const struct config *c, const char *group, const char *name)
{
    const struct config_slot *s = config_find(c, group, name);

    if (!s)
        s = config_find(c, "*", name);
    if (!s) {
        fprintf(stderr, "glint: the table of options lacks [%s] %s\n", group, name);
        abort();
    }
    return s;
}

const char *config_str(const struct config *c, const char *group, const char *name)
{
    return get(c, group, name)->value.text;
}

bool config_bool(const struct config *c, const char *group, const char *name)
{
    return get(c, group, name)->value.number != 0;
}

int64_t config_int(const struct config *c, const char *group, const char *name)
{
    return get(c, group, name)->value.number;
}

double config_float(const struct config *c, const char *group, const char *name)
{
    return get(c, group, name)->value.real;
}

bool config_is_set(const struct config *c, const char *group, const char *name)
{
    return get(c, group, name)->n_raw > 0;
}

size_t config_list(const struct config *c, const char *group, const char *name, const char *const **ret)
{
    const struct config_slot *s = get(c, group, name);

    *ret = (const char *const *)s->value.items;
    return s->value.n_items;
}

const char *config_origin(const struct config *c, const char *group, const char *name,
                          struct config_origin *ret)
{
    const struct config_slot *s = get(c, group, name);

    if (ret)
        *ret = s->origin;
    return s->where;
}

const char *const *config_files(const struct config *c)
{
    return c->files;
}

const char *const *config_warnings(const struct config *c)
{
    return c->warnings;
}
