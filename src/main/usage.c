/* SPDX-License-Identifier: Apache-2.0 */
/* --help of every subcommand, and the reading of the command line. */
#include "main/main.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *command, *text;
} texts[] = {
    { "glint",
      "usage: glint COMMAND [OPTION...]\n\n"
      "  serve            serve the Images API\n"
      "  worker           do jobs, clean up after interrupted uploads (glint serve starts it by itself)\n"
      "  db sync          make or complete the database's tables\n"
      "  db check         say whether the database is up to date (status 0), or what it needs (3, 4, 5)\n"
      "  db version       print the schema's version\n"
      "  config show      print the effective configuration and where each value came from; --all: defaults "
      "too\n"
      "  config sample    print a commented configuration file\n"
      "  policy list      print the rules in force and where each came from\n"
      "  policy sample    print a commented policy file\n"
      "  policy check     say what the rules let somebody do\n"
      "  jobs list        list the work that goes on behind the requests, and what failed; also show, retry, "
      "cancel\n"
      "  doctor           compare stores, staging and database; --repair: put right what can be\n"
      "  check-deploy URL try everything through the web server before the service, and say what to mend\n\n"
      "  --config-file FILE, --config-dir DIR   read these instead of /etc/glance/glance-api.conf; may be "
      "repeated\n"
      "  --set GROUP.OPTION=VALUE               set one option; may be repeated\n"
      "  --help, --version\n\n"
      "Manual pages: glint(1), glint.conf(5). Without any configuration file glint serve uses SQLite and "
      "files below\n"
      "a data directory and listens on 127.0.0.1:9292.\n" },
    { "serve",
      "usage: glint serve [--bind-host ADDRESS] [--bind-port PORT] [--debug]\n"
      "                   [--config-file FILE]... [--config-dir DIR]... [--set GROUP.OPTION=VALUE]...\n\n"
      "Serves the Images API until SIGTERM. SIGHUP reads the configuration again, SIGUSR1 reopens the log "
      "file.\n" },
    { "worker",
      "usage: glint worker [--standalone] [--config-file FILE]... [--config-dir DIR]... [--set "
      "GROUP.OPTION=VALUE]...\n\n"
      "Does jobs (imports, locations) and cleans up after interrupted uploads until SIGTERM. glint serve\n"
      "starts and restarts one by itself, unless [glint] supervise_worker is false. --standalone: where "
      "there "
      "is\n"
      "no configuration, work for a glint serve that has none either.\n" },
    { "db", "usage: glint db sync|check|version [--config-file FILE]... [--config-dir DIR]... [--set "
            "GROUP.OPTION=VALUE]...\n\n"
            "  sync     make the tables of an empty database, or add those of Glint to one that Glance made\n"
            "  check    status 0: up to date; 3: run sync; 4, 5: as glance-manage has them\n"
            "  version  print the schema's version\n\n"
            "Also as glance-manage db sync|check|version|expand|migrate|contract and glance-manage db_sync "
            "and so on.\n" },
    { "config", "usage: glint config show [--all] | sample | man\n"
                "       [--config-file FILE]... [--config-dir DIR]... [--set GROUP.OPTION=VALUE]...\n\n"
                "  show     the options that are set, each with where it came from; --all: the others too\n"
                "  sample   a commented configuration file\n"
                "  man      the options as manual page source\n" },
    { "policy",
      "usage: glint policy list | sample | check\n"
      "       [--rule NAME]... [--roles ROLE,ROLE] [--project ID] [--user ID] [--target NAME=VALUE]... "
      "[--file FILE]\n"
      "       [--config-file FILE]... [--config-dir DIR]... [--set GROUP.OPTION=VALUE]...\n\n"
      "  list     the rules in force, each with where it came from\n"
      "  sample   a commented policy file with every default\n"
      "  check    what the rules let a caller with these roles do; with --rule the status is 0 or 1\n\n"
      "  --target attributes of what is asked about: project_id, owner, visibility, member_id, a property "
      "…;\n"
      "           without it a private image of the caller's project\n"
      "  --file   rules to try instead of the policy files that the configuration names\n" },
    { "jobs",
      "usage: glint jobs list [--all] [--json] | show ID [--json] | retry ID... | cancel [--force] ID...\n"
      "       [--config-file FILE]... [--config-dir DIR]... [--set GROUP.OPTION=VALUE]...\n\n"
      "  list     the jobs that wait, run or failed, the oldest first; --all: also those that are done\n"
      "  show     all about one\n"
      "  retry    do the work of a failed job again, as a new job, if the image is still as it has to be\n"
      "  cancel   undo what a waiting or running job did; the worker does it. --force: also a worker of "
      "another\n"
      "           host than the one that has the job's data\n\n"
      "What ended is remembered for two days.\n" },
    { "doctor",
      "usage: glint doctor [--repair] [--json] [--store ID] [--hash [--rate MIB]] [--age SECONDS]\n"
      "                    [--accept-store ID]\n"
      "                    [--config-file FILE]... [--config-dir DIR]... [--set GROUP.OPTION=VALUE]...\n\n"
      "Compares the stores, the staging directory and the database, while the service goes on, and tells\n"
      "what does not fit together. Status 0: nothing; 1: findings, also repaired ones; 2: something could\n"
      "not be looked at.\n\n"
      "  --repair  set aside objects that no image has, break locks of dead tasks, put stuck images back\n"
      "            where nothing is lost, remove staged files that nobody needs; no image data is deleted\n"
      "  --json    one JSON document\n"
      "  --store   only this store's objects and locations\n"
      "  --accept-store  the directories of this store hold what is left of it: after a loss of its data\n"
      "  --hash    read all data and compare them with their hashes; --rate: at most so many MiB a second\n"
      "  --age     leave alone what was changed within so many seconds (a day): a real Glance beside this\n"
      "            service may be at it; what this service's own processes do is always left alone\n" },
    { "check-deploy",
      "usage: glint check-deploy [--header 'NAME: VALUE']... [--pause SECONDS] [--insecure] URL\n\n"
      "Asks the service at URL, the address that clients use, for all that web servers get in the way of, "
      "and "
      "names\n"
      "the directives to mend. Makes images of up to 16 MiB, one by an import, and deletes them again. "
      "Status 0: all "
      "is well; 1:\n"
      "something is not.\n\n"
      "  --header    of every request: a token, or an identity; OS_TOKEN in the environment is one too\n"
      "  --pause     how long an upload and a download pause, to find time limits (12; 0: not tried); all "
      "of\n"
      "              it takes a little more than twice that\n"
      "  --insecure  take any certificate, for a site that is tried before it has its own\n" },
};

int usage(const char *command)
{
    for (size_t i = 0; i < COUNT(texts); i++)
        if (str_eq(texts[i].command, command))
            fputs(texts[i].text, stdout);
    return EXIT_OK;
}

static int complain(const struct command_line *cl, const char *what, const char *word)
{
    fprintf(stderr, "%s: %s %s; try --help\n", cl->manage ? "glance-manage" : "glint", what, word);
    return EXIT_USAGE;
}

static bool push(const char **items, size_t *n, const char *item)
{
    if (*n + 1 >= WORDS_MAX)
        return false;
    items[(*n)++] = item;
    return true;
}

/* Switches that take a value. Those with an option set it. */
static const struct {
    const char *name, *option;
} valued[] = {
    { "--config-file", NULL },
    { "--config-dir", NULL },
    { "--set", NULL },
    { "--bind-host", "DEFAULT.bind_host" },
    { "--bind-port", "DEFAULT.bind_port" },
    { "--log-file", "DEFAULT.log_file" },
    { "--log-dir", "DEFAULT.log_dir" },
    { "--rule", NULL },
    { "--roles", NULL },
    { "--project", NULL },
    { "--user", NULL },
    { "--target", NULL },
    { "--file", NULL },
    { "--header", NULL },
    { "--pause", NULL },
    { "--store", NULL },
    { "--accept-store", NULL },
    { "--age", NULL },
    { "--detached", NULL },
    { "--rate", NULL },
    { "--age_in_days", NULL },
    { "--max_rows", NULL },
};

/* oslo.log's switches that glance-manage takes and that change nothing here. */
static const char *const ignored[] = { "-v", "--verbose", "--noverbose", "--use-syslog", "--nouse-syslog" };

static int take_valued(struct command_line *cl, const char *name, const char *option, const char *value)
{
    bool fits;

    if (option)
        fits = push(cl->overrides, &cl->n_overrides, arena_printf(cl->arena, "%s=%s", option, value));
    else if (str_eq(name, "--set"))
        fits = push(cl->overrides, &cl->n_overrides, value);
    else if (str_eq(name, "--config-file"))
        fits = push(cl->files, &cl->n_files, value);
    else if (str_eq(name, "--config-dir"))
        fits = push(cl->dirs, &cl->n_dirs, value);
    else
        fits = push(cl->asked, &cl->n_asked, arena_printf(cl->arena, "%s=%s", name + 2, value));
    return fits ? 0 : complain(cl, "too many", name);
}

/* Returns how many words of argv it took, 0 when the word is no such switch, -1 after complaining. */
static int try_valued(struct command_line *cl, char **argv)
{
    for (size_t i = 0; i < COUNT(valued); i++) {
        size_t n = strlen(valued[i].name);
        const char *value;

        if (strncmp(argv[0], valued[i].name, n) != 0 || (argv[0][n] && argv[0][n] != '='))
            continue;
        value = argv[0][n] ? argv[0] + n + 1 : argv[1];
        if (!value)
            return complain(cl, "a value must follow", valued[i].name), -1;
        if (take_valued(cl, valued[i].name, valued[i].option, value) != 0)
            return -1;
        return argv[0][n] ? 1 : 2;
    }
    return 0;
}

static bool try_plain(struct command_line *cl, const char *word)
{
    if (str_eq(word, "--help") || str_eq(word, "-h"))
        return cl->help = true;
    if (str_eq(word, "--version"))
        return cl->version = true;
    if (str_eq(word, "--all"))
        return cl->all = true;
    if (str_eq(word, "--insecure"))
        return cl->insecure = true;
    if (str_eq(word, "--json"))
        return cl->json = true;
    if (str_eq(word, "--force"))
        return cl->force = true;
    if (str_eq(word, "--repair"))
        return cl->repair = true;
    if (str_eq(word, "--standalone"))
        return cl->standalone = true;
    if (str_eq(word, "--hash"))
        return cl->hash = true;
    if (str_eq(word, "--debug") || str_eq(word, "-d"))
        return push(cl->overrides, &cl->n_overrides, "DEFAULT.debug=true");
    for (size_t i = 0; cl->manage && i < COUNT(ignored); i++)
        if (str_eq(word, ignored[i]))
            return true;
    return false;
}

/* The one subcommand that takes a switch. */
static const char *whose(const char *asked)
{
    static const struct {
        const char *begin, *command;
    } others[] = {
        { "header=", "check-deploy" }, { "pause=", "check-deploy" },  { "store=", "doctor" },
        { "age=", "doctor" },          { "accept-store=", "doctor" }, { "rate=", "doctor" },
        { "detached=", "worker" },     { "age_in_days=", "db" },      { "max_rows=", "db" },
    };

    for (size_t i = 0; i < COUNT(others); i++)
        if (str_starts(asked, others[i].begin))
            return others[i].command;
    return "policy";
}

/* Of db an action may be one word: glance-manage db_purge. */
static bool takes(const struct command_line *cl, const char *command)
{
    return str_eq(cl->command, command) || (cl->manage && str_eq(command, "db"));
}

int command_line_parse(struct command_line *ret, int argc, char **argv, bool manage)
{
    *ret = (struct command_line){ .arena = arena_make(2048), .manage = manage };
    for (int i = 1, took; i < argc; i += took) {
        took = try_valued(ret, argv + i);
        if (took < 0)
            return EXIT_USAGE;
        if (took > 0)
            continue;
        took = 1;
        if (argv[i][0] == '-' ? !try_plain(ret, argv[i]) : !push(ret->words, &ret->n_words, argv[i]))
            return complain(ret, "unknown option", argv[i]);
    }
    ret->command = ret->n_words > 0 ? ret->words[0] : NULL;
    for (size_t i = 0; i < ret->n_asked; i++)
        if (!takes(ret, whose(ret->asked[i])))
            return complain(ret, arena_printf(ret->arena, "only glint %s takes", whose(ret->asked[i])),
                            arena_printf(ret->arena, "--%s", ret->asked[i]));
    if (ret->standalone && !str_eq(ret->command, "worker"))
        return complain(ret, "only glint worker takes", "--standalone");
    if ((ret->repair || ret->hash) && !str_eq(ret->command, "doctor"))
        return complain(ret, "only glint doctor takes", ret->repair ? "--repair" : "--hash");
    return 0;
}

const char *command_line_asked(const struct command_line *cl, const char *name)
{
    size_t n = strlen(name);

    for (size_t i = cl->n_asked; i-- > 0;)
        if (strncmp(cl->asked[i], name, n) == 0 && cl->asked[i][n] == '=')
            return cl->asked[i] + n + 1;
    return NULL;
}

void command_line_done(struct command_line *cl)
{
    arena_free(cl->arena);
}

char **command_line_again(const struct command_line *cl, const char *command, bool standalone)
{
    char **argv = arena_array(cl->arena, char *, 4 + 2 * (cl->n_files + cl->n_dirs + cl->n_overrides));
    size_t n = 0;

    argv[n++] = arena_str(cl->arena, "glint");
    argv[n++] = arena_str(cl->arena, command);
    if (standalone)
        argv[n++] = arena_str(cl->arena, "--standalone");
    for (size_t i = 0; i < cl->n_files; i++) {
        argv[n++] = arena_str(cl->arena, "--config-file");
        argv[n++] = arena_str(cl->arena, cl->files[i]);
    }
    for (size_t i = 0; i < cl->n_dirs; i++) {
        argv[n++] = arena_str(cl->arena, "--config-dir");
        argv[n++] = arena_str(cl->arena, cl->dirs[i]);
    }
    for (size_t i = 0; i < cl->n_overrides; i++) {
        argv[n++] = arena_str(cl->arena, "--set");
        argv[n++] = arena_str(cl->arena, cl->overrides[i]);
    }
    return argv;
}
