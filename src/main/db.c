/* SPDX-License-Identifier: Apache-2.0 */
/* glint db …, and glance-manage db … with the exit statuses that deployment tools look at. */
#include "host/host.h"
#include "main/main.h"
#include "model/model.h"

#include <stdio.h>
#include <string.h>

/* glance-manage's own statuses (database.md section 1). */
enum { NEEDS_EXPAND = 3 };

struct database {
    struct config *config;
    struct db *db;
    struct db_conn *conn;
};

static void database_close(struct database *d)
{
    db_release(&d->conn);
    db_close(d->db);
    config_free(d->config);
}

static int fail(const struct error *e)
{
    fprintf(stderr, "glint: %s%s%s%s\n", e->message, e->detail[0] ? " (" : "", e->detail,
            e->detail[0] ? ")" : "");
    return EXIT_FAILED;
}

static int database_open(struct database *d, const struct command_line *cl, bool create, struct error *e)
{
    if (start_config_of_database(cl, create, &d->config, e) < 0 ||
        host_open_db(d->config, create, &d->db, e) < 0)
        return -1;
    return db_acquire(d->db, DB_WAIT, &d->conn, e);
}

static int sync_run(struct database *d, const struct schema_info *info, struct error *e)
{
    if (info->state == SCHEMA_NEWER_OR_UNKNOWN)
        return error_set(e, ERROR_CONFLICT, "the schema %s of %s is not known to this version",
                         info->versions, db_describe(d->db));
    if (schema_sync(d->conn, e) < 0)
        return -1;
    printf("%s is up to date, revision %s\n", db_describe(d->db), MODEL_ALEMBIC_HEAD);
    return EXIT_OK;
}

static int check_run(struct database *d, const struct schema_info *info, struct error *e)
{
    switch (info->state) {
    case SCHEMA_CURRENT:
        printf("Database is up to date. No upgrades needed.\n");
        return EXIT_OK;
    case SCHEMA_ABSENT:
        printf("%s has no tables yet: run glint db sync (or glance-manage db sync).\n", db_describe(d->db));
        return NEEDS_EXPAND;
    case SCHEMA_OLDER:
        printf("%s is at %s, which Glint does not upgrade: run glance-manage db expand, migrate and contract "
               "of Glance "
               "2024.1 or later.\n",
               db_describe(d->db), info->versions);
        return NEEDS_EXPAND;
    case SCHEMA_NEWER_OR_UNKNOWN:
        break;
    }
    return error_set(e, ERROR_CONFLICT, "the schema %s of %s is not known to this version", info->versions,
                     db_describe(d->db));
}

static int version_run(struct database *d, const struct schema_info *info, struct error *e UNUSED)
{
    if (!info->versions[0])
        printf("%s has no schema yet: run glint db sync (or glance-manage db sync).\n", db_describe(d->db));
    for (const char *p = info->versions; *p;) {
        size_t n = strcspn(p, ",");

        printf("%.*s\n", (int)n, p);
        p += n;
        p += strspn(p, ", ");
    }
    return EXIT_OK;
}

/* The steps of a rolling upgrade: the first makes what is missing, the others find nothing left to do. */
static int later_step_run(struct database *d, const struct schema_info *info, struct error *e)
{
    if (info->state != SCHEMA_CURRENT)
        return error_set(e, ERROR_CONFLICT, "run glance-manage db expand first: the schema of %s is %s",
                         db_describe(d->db), info->versions[0] ? info->versions : "not there yet");
    printf("%s is up to date, nothing to do.\n", db_describe(d->db));
    return EXIT_OK;
}

static const struct {
    const char *name;
    bool create; /* may make the database */
    int (*run)(struct database *, const struct schema_info *, struct error *);
} actions[] = {
    { "sync", true, sync_run },
    { "upgrade", true, sync_run },
    { "expand", true, sync_run },
    { "migrate", false, later_step_run },
    { "contract", false, later_step_run },
    { "check", false, check_run },
    { "version", false, version_run },
};

/* What else glance-manage of Glance 33 has. */
static const char *const of_glance[] = { "purge",           "purge_images_table", "load_metadefs",
                                         "unload_metadefs", "export_metadefs",    "version_control" };

static int not_done(const char *name)
{
    for (size_t i = 0; i < COUNT(of_glance); i++) {
        if (!str_eq(of_glance[i], name))
            continue;
        fprintf(
            stderr,
            "glint: db %s is not implemented yet: run glance-manage db %s of Glance 2024.1 or later, with "
            "the same [database] connection\n",
            name, name);
        return EXIT_FAILED;
    }
    fprintf(stderr, "glint: 'db %s' is not supported\n", name);
    return EXIT_USAGE;
}

/* "db_sync" or "db", "sync". */
static const char *action_name(const struct command_line *cl)
{
    const char *word = cl->n_words > 0 ? cl->words[0] : NULL;

    if (word && str_starts(word, "db_"))
        return word + 3;
    return str_eq(word, "db") && cl->n_words > 1 ? cl->words[1] : NULL;
}

static int act(const struct command_line *cl, size_t i)
{
    struct database d = { 0 };
    struct schema_info info;
    struct error e;
    int status = -1;

    if (database_open(&d, cl, actions[i].create, &e) == 0 && schema_check(d.conn, &info, &e) == 0)
        status = actions[i].run(&d, &info, &e);
    if (status < 0)
        status = fail(&e);
    database_close(&d);
    return status;
}

int db_main(const struct command_line *cl)
{
    const char *name = action_name(cl);

    start_process();
    for (size_t i = 0; name && i < COUNT(actions); i++)
        if (str_eq(actions[i].name, name))
            return act(cl, i);
    if (name)
        return not_done(name);
    fprintf(stderr, "glint: db needs an action: sync, check or version\n");
    return EXIT_USAGE;
}
