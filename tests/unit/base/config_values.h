/* SPDX-License-Identifier: Apache-2.0 */
/* A small table of options, and a configuration made of a text, for the tests of base/config*.c. */
#ifndef TESTS_CONFIG_VALUES_H
#define TESTS_CONFIG_VALUES_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct option options[] = {
    { "DEFAULT", "debug", OPTION_BOOL, "false", .help = "Log more." },
    { "DEFAULT", "name", OPTION_STRING, NULL, .help = "A name." },
    { "DEFAULT", "level", OPTION_INT, "7", .min = 1, .max = 10, .help = "A level." },
    { "DEFAULT", "offset", OPTION_INT, "-1", .help = "Any number." },
    { "DEFAULT", "at_least", OPTION_INT, "5", .min = 0, .max = INT64_MAX },
    { "DEFAULT", "ratio", OPTION_FLOAT, "0.5", .min = 0, .max = 1 },
    { "DEFAULT", "port", OPTION_PORT, "9292", .flags = OPTION_RESTART, .help = "Where to listen." },
    { "DEFAULT", "plain", OPTION_LIST, "x,y" },
    { "DEFAULT", "picked", OPTION_LIST, "a", .choices = "a|b|c" },
    { "DEFAULT", "bounded", OPTION_BOUNDED_LIST, "[one,two]" },
    { "DEFAULT", "pairs", OPTION_DICT, NULL },
    { "DEFAULT", "many", OPTION_MULTI, NULL },
    { "DEFAULT", "quota", OPTION_QUOTA, "0" },
    { "DEFAULT", "mode", OPTION_OCTAL, "0" },
    { "DEFAULT", "colour", OPTION_STRING, "red", .choices = "red|green" },
    { "DEFAULT", "url", OPTION_STRING, "http://$host:$port/" },
    { "DEFAULT", "host", OPTION_STRING, "localhost" },
    { "DEFAULT", "idle", OPTION_STRING, NULL, .flags = OPTION_NO_EFFECT },
    { "database", "connection", OPTION_STRING, NULL, .old = "DEFAULT/sql_connection,sql/connection" },
    { "database", "host", OPTION_STRING, "db" },
    { "database", "password", OPTION_STRING, NULL, .flags = OPTION_SECRET },
    { "glance_store", "stores", OPTION_LIST, "file", .flags = OPTION_ANY_GROUP },
    { "a.b", "c", OPTION_STRING, "dotted" },
    { "*", "datadir", OPTION_STRING, "/var", .flags = OPTION_ANY_GROUP },
    { "*", "weight", OPTION_INT, "0", .flags = OPTION_ANY_GROUP },
    { NULL, NULL, OPTION_STRING, NULL },
};

struct fixture {
    char dir[64], file[96];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    strcpy(f->dir, "/tmp/glint-config-XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    snprintf(f->file, sizeof f->file, "%s/a.conf", f->dir);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[128];

    snprintf(command, sizeof command, "rm -rf %s", f->dir);
    if (system(command) != 0)
        return -1;
    free(f);
    return 0;
}

static void write_file(const char *path, const char *text)
{
    FILE *out = fopen(path, "w");

    assert_non_null(out);
    assert_int_equal(fwrite(text, 1, strlen(text), out), strlen(text));
    fclose(out);
}

static int read_text(struct fixture *f, const char *text, struct config **ret, struct error *e)
{
    const char *files[] = { f->file, NULL };
    struct config_input in = { .options = options, .files = files };

    write_file(f->file, text);
    return config_read(&in, ret, e);
}

#endif
