/* SPDX-License-Identifier: Apache-2.0 */
/* glint policy list, sample and check. */
#include "auth/auth.h"
#include "main/main.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void say(enum log_level level, const char *text)
{
    if (level > LOG_INFO)
        fprintf(stderr, "glint: %s\n", text);
}

static const char *asked_after(const struct command_line *cl, size_t i, const char *name)
{
    size_t n = strlen(name);

    return strncmp(cl->asked[i], name, n) == 0 && cl->asked[i][n] == '=' ? cl->asked[i] + n + 1 : NULL;
}

/* The rules that glint serve would go by, or those of --file. */
static int open_rules(const struct command_line *cl, const struct config *c, struct policy_rules **ret,
                      struct error *e)
{
    struct policy_options o;
    struct policy *p;

    policy_options_read(c, conf_search_dirs(c, cl->arena), &o);
    o.say = say;
    if (command_line_asked(cl, "file")) {
        static const char *const here[] = { ".", NULL };

        o.file = command_line_asked(cl, "file");
        o.search = here;
        o.n_dirs = 0;
    }
    if (command_line_asked(cl, "file") && access(o.file, R_OK) != 0)
        return error_set(e, ERROR_INVALID, "%s: cannot be read", o.file);
    if (policy_open(&o, &p, e) < 0)
        return -1;
    *ret = policy_hold(p);
    policy_close(p);
    if (!o.enforce_new_defaults)
        fprintf(stderr, "glint: [oslo_policy] enforce_new_defaults is off: many defaults let everybody\n");
    return 0;
}

/* ---- list, sample ---- */

static void add_quoted(const char *text, struct str *out)
{
    str_addc(out, '"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            str_addc(out, '\\');
        if (*text == '\n')
            str_add(out, "\\n");
        else if (*text == '\t')
            str_add(out, "\\t");
        else
            str_addc(out, *text);
    }
    str_addc(out, '"');
}

static void add_rule(const char *name, const char *expression, struct str *out)
{
    add_quoted(name, out);
    str_add(out, ": ");
    add_quoted(expression, out);
    str_addc(out, '\n');
}

static int list(const struct command_line *cl UNUSED, const struct policy_rules *r)
{
    CLEANUP(str_done) struct str out = STR_INIT;
    struct policy_rule_info info;

    for (size_t i = 0; policy_rule_at(r, i, &info); i++) {
        if (info.file)
            str_addf(&out, "# %s:%u\n", info.file, info.line);
        else
            str_addf(&out, "# default%s\n", info.widened ? ", and the older one" : "");
        add_rule(info.name, info.expression, &out);
    }
    fputs(str_text(&out), stdout);
    return EXIT_OK;
}

static void add_default(const struct policy_default *d, struct str *out)
{
    str_addf(out, "\n# %s\n", d->description);
    for (size_t i = 0; i < COUNT(d->operations) && d->operations[i].method; i++)
        str_addf(out, "# %s %s\n", d->operations[i].method, d->operations[i].path);
    if (d->before)
        str_addf(out, "# While enforce_new_defaults is off it also lets whom \"%s\" lets.\n", d->before);
    str_addc(out, '#');
    add_rule(d->name, d->expression, out);
}

static int sample(void)
{
    CLEANUP(str_done) struct str out = STR_INIT;

    str_add(&out, "# Glint " GLINT_VERSION
                  ": every rule with its default. A rule that is written here, without the "
                  "'#',\n# takes the place of the default. Tokens for a system or a domain pass no rule but\n"
                  "# those that only others refer to.\n");
    for (const struct policy_default *d = policy_defaults; d->name; d++)
        add_default(d, &out);
    fputs(str_text(&out), stdout);
    return EXIT_OK;
}

/* ---- check ---- */

static void read_roles(const struct command_line *cl, struct identity *id)
{
    const char *roles = command_line_asked(cl, "roles");
    char *role = roles ? arena_str(cl->arena, roles) : NULL, *next;

    for (; role && id->n_roles < IDENTITY_ROLES_MAX; role = next) {
        next = strchr(role, ',');
        if (next)
            *next++ = '\0';
        role += strspn(role, " ");
        str_lower(role);
        if (*role)
            id->roles[id->n_roles++] = role;
    }
}

static int read_target(const struct command_line *cl, const struct identity *id, struct policy_target *ret)
{
    struct policy_pair *pairs = arena_array(cl->arena, struct policy_pair, WORDS_MAX);
    size_t n = 0;

    for (size_t i = 0; i < cl->n_asked; i++) {
        const char *text = asked_after(cl, i, "target"), *equals = text ? strchr(text, '=') : NULL;

        if (text && !equals) {
            fprintf(stderr, "glint: --target %s: NAME=VALUE was expected\n", text);
            return EXIT_USAGE;
        }
        if (text)
            pairs[n++] = (struct policy_pair){ arena_strn(cl->arena, text, (size_t)(equals - text)),
                                               { .type = POLICY_TEXT, .text = equals + 1 } };
    }
    if (n > 0)
        policy_target_pairs(pairs, n, ret);
    else
        policy_target_proposed(id->project, "private", ret);
    return EXIT_OK;
}

static bool tell(const struct policy_rules *r, const struct identity *id, const char *rule,
                 const struct policy_target *t)
{
    bool lets = policy_allows(r, id, rule, t);

    printf("%s %s\n", lets ? "allowed" : "denied ", rule);
    return lets;
}

static int check(const struct command_line *cl, const struct policy_rules *r)
{
    struct identity id = { .user = command_line_asked(cl, "user"),
                           .project = command_line_asked(cl, "project") };
    struct policy_rule_info info;
    struct policy_target target;
    bool all = true;
    int wrong;

    read_roles(cl, &id);
    wrong = read_target(cl, &id, &target);
    if (wrong)
        return wrong;
    for (size_t i = 0; i < cl->n_asked; i++)
        if (asked_after(cl, i, "rule"))
            all &= tell(r, &id, asked_after(cl, i, "rule"), &target);
    for (size_t i = 0; !command_line_asked(cl, "rule") && policy_rule_at(r, i, &info); i++)
        tell(r, &id, info.name, &target);
    return all ? EXIT_OK : EXIT_FAILED;
}

int policy_main(const struct command_line *cl)
{
    static const struct {
        const char *name;
        int (*run)(const struct command_line *, const struct policy_rules *);
    } actions[] = { { "list", list }, { "check", check } };
    const char *name = cl->n_words > 1 ? cl->words[1] : "";

    if (str_eq(name, "sample"))
        return sample();
    for (size_t i = 0; i < COUNT(actions); i++) {
        struct policy_rules *r = NULL;
        struct config *c = NULL;
        struct error e;
        int status = EXIT_FAILED;

        if (!str_eq(actions[i].name, name))
            continue;
        if (start_config(cl, &c, &e) < 0 || open_rules(cl, c, &r, &e) < 0)
            fprintf(stderr, "glint: %s\n", e.message);
        else {
            if (conf_is_standalone(c))
                fprintf(stderr, "glint: no configuration was found: these are the default rules\n");
            status = actions[i].run(cl, r);
        }
        policy_release(r);
        config_free(c);
        return status;
    }
    fprintf(stderr, "glint: policy needs an action: list, sample or check\n");
    return EXIT_USAGE;
}
