/* SPDX-License-Identifier: Apache-2.0 */
/* Which schema a database has, and making it what this release needs. */
#include "model/rows.h"

#include <string.h>

/* src/db/schema/sqlite/, put in by the build. */
extern const char schema_0001[], schema_0002[], schema_0003[], schema_0004[], schema_0005[], schema_0006[],
    schema_0007[], schema_0008[], schema_0009[];

/* The newest file of src/db/schema/sqlite/ as glint_schema counts them. */
enum { OWN_VERSION = 9 };

/* Every revision of Glance's two branches before the current one, and the old single heads (database.md,
 * section 1). */
static const char *const older_revisions[] = {
    "liberty",          "mitaka01",          "mitaka02",           "ocata01",          "pike01",
    "ocata_expand01",   "pike_expand01",     "queens_expand01",    "rocky_expand01",   "rocky_expand02",
    "train_expand01",   "ussuri_expand01",   "wallaby_expand01",   "xena_expand01",    "yoga_expand01",
    "zed_expand01",     "2023_1_expand01",   "2024_1_expand01", /* alone, or beside an older contract
                                                                   revision: expanded, not contracted yet */
    "ocata_contract01", "pike_contract01",   "queens_contract01",  "rocky_contract01", "rocky_contract02",
    "train_contract01", "ussuri_contract01", "wallaby_contract01", "xena_contract01",  "yoga_contract01",
    "zed_contract01",   "2023_1_contract01",
};

static bool is_older(const char *version)
{
    for (size_t i = 0; i < COUNT(older_revisions); i++)
        if (strcmp(older_revisions[i], version) == 0)
            return true;
    return false;
}

static int read_versions(struct db_conn *c, struct schema_info *ret, struct error *e)
{
    size_t rows = 0, current = 0, older = 0;
    struct db_stmt *s;
    int row;

    if (db_prepare(c, "SELECT version_num FROM alembic_version ORDER BY version_num", &s, e) < 0)
        return -1;
    while ((row = db_step(s, e)) > 0) {
        const char *version = db_text(s, 0);
        size_t at = strlen(ret->versions);

        if (at + 1 < sizeof ret->versions && rows > 0)
            ret->versions[at++] = ',';
        str_copy(ret->versions + at, sizeof ret->versions - at, version);
        rows++;
        current += strcmp(version, MODEL_ALEMBIC_HEAD) == 0;
        older += is_older(version);
    }
    if (row < 0)
        return -1;
    if (rows == 1 && current == 1)
        ret->state = SCHEMA_CURRENT;
    else if (rows > 0 && older == rows)
        ret->state = SCHEMA_OLDER;
    else
        ret->state = SCHEMA_NEWER_OR_UNKNOWN;
    return 0;
}

static int check_own(struct db_conn *c, bool *ret, struct error *e)
{
    CLEANUP(stmt_reset) struct db_stmt *s = NULL;
    int row;

    if (db_has_table(c, "glint_schema", ret, e) < 0)
        return -1;
    if (!*ret)
        return 0;
    if (db_prepare(c, "SELECT COALESCE(MAX(version), 0) FROM glint_schema", &s, e) < 0)
        return -1;
    row = db_step(s, e);
    *ret = row > 0 && db_int(s, 0) >= OWN_VERSION;
    return row < 0 ? -1 : 0;
}

int schema_check(struct db_conn *c, struct schema_info *ret, struct error *e)
{
    bool versioned, images;

    *ret = (struct schema_info){ .state = SCHEMA_ABSENT };
    if (db_has_table(c, "alembic_version", &versioned, e) < 0 || db_has_table(c, "images", &images, e) < 0 ||
        check_own(c, &ret->own_tables, e) < 0)
        return -1;
    if (versioned)
        return read_versions(c, ret, e);
    if (images)
        ret->state = SCHEMA_NEWER_OR_UNKNOWN;
    return 0;
}

static int sync_all(struct db_conn *c, void *arg UNUSED, struct error *e)
{
    const char *const own[] = { schema_0002, schema_0003, schema_0004, schema_0005,
                                schema_0006, schema_0007, schema_0008, schema_0009 };
    struct schema_info info;

    if (schema_check(c, &info, e) < 0)
        return -1;
    switch (info.state) {
    case SCHEMA_OLDER:
        return error_set(e, ERROR_CONFLICT,
                         "The database has Glance's schema %s, which is older than %s: upgrade it with the "
                         "old release's glance-manage first",
                         info.versions, MODEL_ALEMBIC_HEAD);
    case SCHEMA_NEWER_OR_UNKNOWN:
        return error_set(e, ERROR_CONFLICT,
                         "The database has a schema that this release does not know (%s); it knows %s",
                         *info.versions ? info.versions : "no version", MODEL_ALEMBIC_HEAD);
    case SCHEMA_ABSENT:
        if (db_script(c, schema_0001, e) < 0)
            return -1;
        break;
    case SCHEMA_CURRENT:
        break;
    }
    for (size_t i = 0; i < COUNT(own); i++)
        if (db_script(c, own[i], e) < 0)
            return -1;
    return 0;
}

int schema_sync(struct db_conn *c, struct error *e)
{
    static const struct db_unit unit = { "schema.sync", sync_all, db_unit_idempotent };

    return db_write_on(c, &unit, NULL, e);
}
