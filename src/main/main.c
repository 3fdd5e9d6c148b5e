/* SPDX-License-Identifier: Apache-2.0 */
/* glint, and the names under which Glance's own tools call it. */
#include "main/main.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(const struct command_line *);
} commands[] = {
    { "serve", serve_main },   { "worker", worker_main },
    { "db", db_main },         { "config", config_main },
    { "policy", policy_main }, { "jobs", jobs_main },
    { "doctor", doctor_main }, { "check-deploy", check_deploy_main },
};

static int run(const struct command_line *cl, const char *name)
{
    for (size_t i = 0; i < COUNT(commands); i++) {
        if (!str_eq(commands[i].name, name))
            continue;
        if (cl->help)
            return usage(name);
        return commands[i].run(cl);
    }
    fprintf(stderr, "glint: unknown command '%s'; try glint --help\n", name);
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    CLEANUP(command_line_done) struct command_line cl = { 0 };
    const char *slash = strrchr(argv[0] ? argv[0] : "glint", '/');
    const char *name = slash ? slash + 1 : argv[0] ? argv[0] : "glint";
    bool manage = str_eq(name, "glance-manage");
    int wrong;

    if (argc > 2 && str_eq(argv[1], "helper"))
        return helper_main(argc - 2, argv + 2);
    wrong = command_line_parse(&cl, argc, argv, manage);
    if (wrong)
        return wrong;
    if (cl.version) {
        printf("glint " GLINT_VERSION "\n");
        return EXIT_OK;
    }
    if (manage)
        return cl.help ? usage("db") : db_main(&cl);
    if (str_eq(name, "glance-api") && !cl.command)
        return run(&cl, "serve");
    if (cl.command && !str_eq(cl.command, "help"))
        return run(&cl, cl.command);
    usage(cl.n_words > 1 ? cl.words[1] : "glint");
    return cl.help || cl.command ? EXIT_OK : EXIT_USAGE;
}
