/* SPDX-License-Identifier: Apache-2.0 */
/* Policy files: where they are (oslo.config's find_file(), oslo.policy's policy_dirs), and what YAML says.
 * JSON is YAML. Values are read as PyYAML's safe loader and oslo.policy read them, but for those that are
 * neither text nor list: what would let everybody there by accident (false, 0, {}), or fail each request,
 * refuses here. */
#include "auth/policy_private.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <yaml.h>

/* ---- finding ---- */

/* FNV-1a. */
static void sum_add(uint64_t *sum, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;

    for (size_t i = 0; i < n; i++)
        *sum = (*sum ^ p[i]) * 0x100000001b3;
}

static const char *find(struct arena *a, const struct policy_options *o, const char *name, struct stat *ret)
{
    if (*name == '/')
        return stat(name, ret) == 0 ? name : NULL;
    for (const char *const *dir = o->search; dir && *dir; dir++) {
        char *path = arena_printf(a, "%s/%s", *dir, name);

        if (stat(path, ret) == 0)
            return path;
    }
    return NULL;
}

static void files_add(struct arena *a, struct policy_files *f, const char *path, const struct stat *st)
{
    int64_t changed = (int64_t)st->st_mtim.tv_sec * CLOCK_SECOND + st->st_mtim.tv_nsec / 1000;

    *ARENA_PUSH(a, f->paths, f->n, f->cap) = path;
    sum_add(&f->sum, path, strlen(path) + 1);
    sum_add(&f->sum, &st->st_mtim, sizeof st->st_mtim);
    sum_add(&f->sum, &st->st_ctim, sizeof st->st_ctim);
    sum_add(&f->sum, &st->st_size, sizeof st->st_size);
    sum_add(&f->sum, &st->st_ino, sizeof st->st_ino);
    sum_add(&f->sum, &st->st_dev, sizeof st->st_dev);
    if (changed > f->newest_us)
        f->newest_us = changed;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Not sorted by readdir(); the order decides which rule wins. */
static void dir_find(struct arena *a, const char *dir, struct policy_files *f)
{
    DIR *d = opendir(dir);
    const struct dirent *entry;
    const char **paths = NULL;
    size_t n = 0, cap = 0;
    struct stat st;

    if (!d) {
        f->unseen |= error_is_exhausted(errno);
        return;
    }
    while ((entry = readdir(d)) != NULL)
        if (entry->d_name[0] != '.')
            *ARENA_PUSH(a, paths, n, cap) = arena_printf(a, "%s/%s", dir, entry->d_name);
    closedir(d);
    if (n > 0)
        qsort(paths, n, sizeof *paths, by_text);
    for (size_t i = 0; i < n; i++)
        if (stat(paths[i], &st) == 0 && !S_ISDIR(st.st_mode))
            files_add(a, f, paths[i], &st);
}

void policy_files_find(struct arena *a, const struct policy_options *o, struct policy_files *ret)
{
    const char *path;
    struct stat st;

    *ret = (struct policy_files){ .sum = 0xcbf29ce484222325 };
    path = o->file && *o->file ? find(a, o, o->file, &st) : NULL;
    if (path) {
        files_add(a, ret, path, &st);
        ret->has_main = true;
    }
    for (size_t i = 0; i < o->n_dirs; i++) {
        path = *o->dirs[i] ? find(a, o, o->dirs[i], &st) : NULL;
        if (path && S_ISDIR(st.st_mode))
            dir_find(a, path, ret);
        else if (path)
            files_add(a, ret, path, &st); /* no directory: reading it will say so */
    }
}

/* ---- YAML ---- */

struct loader {
    struct arena *arena;
    const char *path;
    const struct policy_options *options;
    struct raw_rules *rules;
    struct error *error;
    yaml_document_t document;
};

static int refuse(struct loader *l, const yaml_node_t *node, const char *what)
{
    return error_set(l->error, ERROR_INVALID, "%s:%zu: %s", l->path, node->start_mark.line + 1, what);
}

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (str_eq(text, *words))
            return true;
    return false;
}

enum scalar { SCALAR_TEXT, SCALAR_NULL, SCALAR_OTHER };

static const char *scalar_text(const yaml_node_t *node)
{
    return (const char *)node->data.scalar.value;
}

/* What an unquoted word is to YAML 1.1, as far as a policy could mean it. */
static enum scalar scalar_kind(const yaml_node_t *node)
{
    static const char *const nulls[] = { "~", "null", "Null", "NULL", NULL };
    static const char *const bools[] = { "yes",  "Yes",  "YES",   "no",    "No",    "NO", "true",
                                         "True", "TRUE", "false", "False", "FALSE", "on", "On",
                                         "ON",   "off",  "Off",   "OFF",   NULL };
    const char *text = scalar_text(node);

    if (!str_eq((const char *)node->tag, YAML_STR_TAG))
        return SCALAR_OTHER;
    if (node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return SCALAR_TEXT;
    if (!*text) /* "name: !" is a tag and an empty value: who writes it means never */
        return node->end_mark.index > node->start_mark.index ? SCALAR_OTHER : SCALAR_NULL;
    if (is_one_of(text, nulls))
        return SCALAR_NULL;
    return is_one_of(text, bools) ? SCALAR_OTHER : SCALAR_TEXT;
}

static struct raw_rule *rule_add(struct loader *l, const yaml_node_t *key)
{
    struct raw_rule *r = ARENA_PUSH(l->arena, l->rules->items, l->rules->n, l->rules->cap);

    *r = (struct raw_rule){ .name = arena_str(l->arena, scalar_text(key)),
                            .file = l->path,
                            .line = (unsigned)key->start_mark.line + 1 };
    return r;
}

/* "a and b" of an inner list; one text alone is a list of one. NULL: nothing was in it. */
static int inner_read(struct loader *l, yaml_node_t *node, const struct parse_notes *notes, struct str *text,
                      struct check **ret)
{
    struct check *all = check_make(l->arena, CHECK_AND);

    *ret = NULL;
    if (node->type == YAML_SCALAR_NODE && scalar_kind(node) != SCALAR_OTHER) {
        if (scalar_kind(node) == SCALAR_NULL || !*scalar_text(node))
            return 0;
        str_addf(text, "%s%s", text->len ? " or " : "", scalar_text(node));
        *ret = policy_parse_atom(l->arena, scalar_text(node), notes);
        return 0;
    }
    if (node->type != YAML_SEQUENCE_NODE)
        return refuse(l, node, "a list of rules holds texts and lists of texts");
    for (yaml_node_item_t *i = node->data.sequence.items.start; i < node->data.sequence.items.top; i++) {
        const yaml_node_t *item = yaml_document_get_node(&l->document, *i);

        if (item->type != YAML_SCALAR_NODE || scalar_kind(item) != SCALAR_TEXT)
            return refuse(l, item, "a list of rules holds texts and lists of texts");
        str_addf(text, "%s%s", all->n_parts ? " and " : text->len ? " or " : "", scalar_text(item));
        check_add(l->arena, all, policy_parse_atom(l->arena, scalar_text(item), notes));
    }
    *ret = all->n_parts == 1 ? all->parts[0] : all->n_parts ? all : NULL;
    return 0;
}

/* The old form: [[a, b], [c]] is "a and b or c". */
static int list_read(struct loader *l, yaml_node_t *node, const struct parse_notes *notes, struct raw_rule *r)
{
    CLEANUP(str_done) struct str text = STR_INIT;
    struct check *any = check_make(l->arena, CHECK_OR), *part;
    yaml_node_item_t *first = node->data.sequence.items.start, *end = node->data.sequence.items.top;

    for (yaml_node_item_t *i = first; i < end; i++) {
        if (inner_read(l, yaml_document_get_node(&l->document, *i), notes, &text, &part) < 0)
            return -1;
        if (part)
            check_add(l->arena, any, part);
    }
    r->check = first == end       ? check_make(l->arena, CHECK_ALWAYS)
               : any->n_parts > 1 ? any
               : any->n_parts     ? any->parts[0]
                                  : check_make(l->arena, CHECK_NEVER);
    r->expression = first == end ? "" : any->n_parts ? arena_str(l->arena, str_text(&text)) : "!";
    return 0;
}

static void say_empty(struct loader *l, const struct raw_rule *r)
{
    CLEANUP(str_done) struct str line = STR_INIT;

    str_addf(&line, "%s:%u: the rule %s has no expression: it lets everybody", l->path, r->line, r->name);
    if (l->options->say)
        l->options->say(LOG_WARNING, str_text(&line));
}

static int value_read(struct loader *l, const yaml_node_t *key, yaml_node_t *node)
{
    struct raw_rule r = *rule_add(l, key);
    struct parse_notes notes = { l->options->say, r.name };
    enum scalar kind = node->type == YAML_SCALAR_NODE ? scalar_kind(node) : SCALAR_OTHER;

    if (node->type == YAML_SEQUENCE_NODE) {
        if (list_read(l, node, &notes, &r) < 0)
            return -1;
    } else if (kind == SCALAR_TEXT) {
        r.expression = arena_str(l->arena, scalar_text(node));
        r.check = policy_parse(l->arena, r.expression, &notes);
    } else if (kind == SCALAR_NULL) {
        say_empty(l, &r);
        r.expression = "";
        r.check = check_make(l->arena, CHECK_ALWAYS);
    } else {
        return refuse(l, node,
                      "an expression is a text (in quotes, where YAML would see something else) or a list");
    }
    l->rules->items[l->rules->n - 1] = r;
    return 0;
}

static int mapping_read(struct loader *l, yaml_node_t *node, int depth);

/* "<<: *other", whose rules give way to the mapping's own: they are put before them. */
static int merge_read(struct loader *l, yaml_node_t *node, int depth)
{
    if (node->type == YAML_SEQUENCE_NODE) {
        /* of several, the first wins */
        for (yaml_node_item_t *i = node->data.sequence.items.top; i-- > node->data.sequence.items.start;)
            if (mapping_read(l, yaml_document_get_node(&l->document, *i), depth) < 0)
                return -1;
        return 0;
    }
    return mapping_read(l, node, depth);
}

static bool is_merge(const yaml_node_t *key)
{
    return key->type == YAML_SCALAR_NODE && key->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           str_eq(scalar_text(key), "<<");
}

static int pair_read(struct loader *l, const yaml_node_pair_t *pair, bool merges, int depth)
{
    const yaml_node_t *key = yaml_document_get_node(&l->document, pair->key);
    yaml_node_t *value = yaml_document_get_node(&l->document, pair->value);

    if (is_merge(key) != merges)
        return 0;
    if (merges)
        return merge_read(l, value, depth + 1);
    if (key->type != YAML_SCALAR_NODE)
        return refuse(l, key, "a rule's name is a text");
    return value_read(l, key, value);
}

static int mapping_read(struct loader *l, yaml_node_t *node, int depth)
{
    if (node->type != YAML_MAPPING_NODE)
        return refuse(l, node, "a policy file maps names of rules to expressions");
    if (depth > 8)
        return refuse(l, node, "too many merges");
    for (int own = 0; own < 2; own++)
        for (yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top; p++)
            if (pair_read(l, p, own == 0, depth) < 0)
                return -1;
    return 0;
}

static int document_read(struct loader *l)
{
    yaml_node_t *root = yaml_document_get_root_node(&l->document);

    if (!root || (root->type == YAML_SCALAR_NODE && scalar_kind(root) == SCALAR_NULL))
        return 0;
    return mapping_read(l, root, 0);
}

static int syntax_error(const yaml_parser_t *p, const char *path, struct error *e)
{
    bool marked = p->problem_mark.line > 0 || p->problem_mark.column > 0 || p->error == YAML_SCANNER_ERROR ||
                  p->error == YAML_PARSER_ERROR;

    return error_set(e, ERROR_INVALID, "%s:%zu: not YAML: %s", path,
                     marked ? p->problem_mark.line + 1 : (size_t)1,
                     p->problem ? p->problem : "it cannot be parsed");
}

int policy_text_load(struct arena *a, const char *path, const char *text, size_t n,
                     const struct policy_options *o, struct raw_rules *ret, struct error *e)
{
    struct loader l = { .arena = a, .path = arena_str(a, path), .options = o, .rules = ret, .error = e };
    yaml_document_t second;
    yaml_parser_t parser;
    int failed;

    if (!yaml_parser_initialize(&parser))
        return error_set(e, ERROR_INTERNAL, "no memory for a YAML parser");
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, n);
    if (!yaml_parser_load(&parser, &l.document)) {
        failed = syntax_error(&parser, path, e);
        yaml_parser_delete(&parser);
        return failed;
    }
    failed = document_read(&l);
    yaml_document_delete(&l.document);
    if (!failed && !yaml_parser_load(&parser, &second)) {
        failed = syntax_error(&parser, path, e);
    } else if (!failed) {
        if (yaml_document_get_root_node(&second))
            failed = error_set(e, ERROR_INVALID, "%s:%zu: a policy file is one document", path,
                               second.start_mark.line + 1);
        yaml_document_delete(&second);
    }
    yaml_parser_delete(&parser);
    return failed;
}

int policy_file_load(struct arena *a, const char *path, const struct policy_options *o, struct raw_rules *ret,
                     struct error *e)
{
    CLEANUP(mem_free_ptr) char *text = NULL;
    size_t n;

    text = config_file_read(path, &n, e);
    if (!text)
        return -1;
    return policy_text_load(a, path, text, n, o, ret, e);
}
