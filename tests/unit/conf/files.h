/* SPDX-License-Identifier: Apache-2.0 */
/* A directory with the files of one test, and the configuration found there. */
#ifndef TESTS_CONF_FILES_H
#define TESTS_CONF_FILES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/conf.h"

struct place {
    char dir[64], conf[96], paste[96];
};

static int place_setup(void **state)
{
    struct place *p = calloc(1, sizeof *p);

    strcpy(p->dir, "/tmp/glint-conf-XXXXXX");
    if (!mkdtemp(p->dir))
        return -1;
    snprintf(p->conf, sizeof p->conf, "%s/glance-api.conf", p->dir);
    snprintf(p->paste, sizeof p->paste, "%s/glance-api-paste.ini", p->dir);
    setenv("HOME", p->dir, 1);
    setenv("OS_GLANCE_CONFIG_DIR", p->dir, 1);
    *state = p;
    return 0;
}

static int place_teardown(void **state)
{
    struct place *p = *state;
    char command[128];

    snprintf(command, sizeof command, "rm -rf %s", p->dir);
    if (system(command) != 0)
        return -1;
    free(p);
    return 0;
}

static inline void put_file(const char *path, const char *text)
{
    FILE *out = fopen(path, "w");

    assert_non_null(out);
    assert_int_equal(fwrite(text, 1, strlen(text), out), strlen(text));
    fclose(out);
}

static inline struct config *load_or_fail(const struct conf_request *rq)
{
    struct config *c = NULL;
    struct error e;

    if (conf_load(rq, &c, &e) < 0)
        fail_msg("%s", e.message);
    return c;
}

static inline struct config *load_text(struct place *p, const char *text)
{
    struct conf_request rq = { 0 };

    put_file(p->conf, text);
    return load_or_fail(&rq);
}

#endif
