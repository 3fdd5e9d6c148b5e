/* SPDX-License-Identifier: Apache-2.0 */
/* glint config show, sample and man. */
#include "main/main.h"

#include <stdio.h>

static int show(const struct command_line *cl)
{
    CLEANUP(str_done) struct str out = STR_INIT;
    struct config *c = NULL;
    struct error e;

    if (start_config(cl, &c, &e) < 0) {
        fprintf(stderr, "glint: %s\n", e.message);
        return EXIT_FAILED;
    }
    for (const char *const *f = conf_files(c); *f; f++)
        str_addf(&out, "# read: %s\n", *f);
    if (conf_is_standalone(c))
        str_add(&out, "# no configuration file: SQLite and files below the data directory\n");
    config_show(c, cl->all, &out);
    fputs(str_text(&out), stdout);
    for (const char *const *w = config_warnings(c); *w; w++)
        fprintf(stderr, "%s\n", *w);
    config_free(c);
    return EXIT_OK;
}

static int sample(const struct command_line *cl UNUSED)
{
    CLEANUP(str_done) struct str out = STR_INIT;

    str_add(&out, "# Glint " GLINT_VERSION
                  ": every option with its default. glint.conf(5) tells the language.\n\n");
    config_sample(conf_options, &out);
    fputs(str_text(&out), stdout);
    return EXIT_OK;
}

/* ---- the list of options in glint.conf(5), in the man macros ---- */

static void add_roff(const char *text, struct str *out)
{
    for (const char *p = text; *p; p++) {
        if (*p == '\\')
            str_add(out, "\\e");
        else if (*p == '-')
            str_add(out, "\\-");
        else if ((*p == '.' || *p == '\'') && (p == text || p[-1] == '\n'))
            str_addf(out, "\\&%c", *p);
        else
            str_addc(out, *p);
    }
}

static void man_option(const struct option *o, struct str *out)
{
    str_add(out, ".TP\n.B ");
    add_roff(o->name, out);
    if (o->fallback && *o->fallback) {
        str_add(out, "\\fR = ");
        add_roff(o->fallback, out);
    }
    str_addc(out, '\n');
    add_roff(o->help, out);
    if (o->flags & OPTION_RESTART)
        str_add(out, "\nA change needs a restart.");
    if (o->old) {
        str_add(out, "\nOld name: ");
        add_roff(o->old, out);
        str_addc(out, '.');
    }
    str_addc(out, '\n');
}

static bool is_effective(const struct option *o)
{
    return !(o->flags & OPTION_NO_EFFECT);
}

static void man_groups(struct str *out)
{
    for (const struct option *o = conf_options; o->name; o++) {
        bool first = is_effective(o);

        for (const struct option *p = conf_options; p < o && first; p++)
            first = !is_effective(p) || !str_eq(p->group, o->group);
        if (!first)
            continue;
        str_addf(out, ".SS \"%s\"\n",
                 str_eq(o->group, "*") ? "A store's section ([glance_store])" : o->group);
        for (const struct option *p = o; p->name; p++)
            if (is_effective(p) && str_eq(p->group, o->group))
                man_option(p, out);
    }
}

static void man_accepted(struct str *out)
{
    const char *group = NULL;

    str_add(out, ".SH \"ACCEPTED WITHOUT EFFECT\"\nThese options of Glance, its libraries and its older "
                 "releases may stand in a "
                 "file; each is\nnamed in the log once.\n");
    for (const struct option *o = conf_options; o->name; o++) {
        if (is_effective(o))
            continue;
        if (!str_eq(group, o->group))
            str_addf(out, ".TP\n.B %s\n", str_eq(o->group, "*") ? "a store's section" : o->group);
        group = o->group;
        str_addf(out, "%s\n", o->name);
    }
}

static int man(const struct command_line *cl UNUSED)
{
    CLEANUP(str_done) struct str out = STR_INIT;

    man_groups(&out);
    man_accepted(&out);
    fputs(str_text(&out), stdout);
    return EXIT_OK;
}

int config_main(const struct command_line *cl)
{
    static const struct {
        const char *name;
        int (*run)(const struct command_line *);
    } actions[] = { { "show", show }, { "sample", sample }, { "man", man } };
    const char *name = cl->n_words > 1 ? cl->words[1] : "";

    for (size_t i = 0; i < COUNT(actions); i++)
        if (str_eq(actions[i].name, name))
            return actions[i].run(cl);
    fprintf(stderr, "glint: config needs an action: show, sample or man\n");
    return EXIT_USAGE;
}
