/* SPDX-License-Identifier: Apache-2.0 */
/* Settings that would be dangerous to ignore. What guards something, or decides what happens to data, refuses
 * the start: a service that seems to protect what it does not is worse than none. */
#include "conf/conf.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *group, *name;
    bool refuse;
    const char *why;
} unsupported[] = {
    { "DEFAULT", "property_protection_file", true, "protected properties would be open to everybody" },
    { "DEFAULT", "metadata_encryption_key", true, "encrypted locations in the database could not be read" },
    { "DEFAULT", "enabled_backends", true, "image data is kept in one store, [glance_store] default_store" },
    { "DEFAULT", "delayed_delete", true, "data of deleted images is removed at once" },
    { "DEFAULT", "use_keystone_limits", true, "no quota from Keystone would be enforced" },
    { "DEFAULT", "image_cache_dir", false, "there is no image cache: every download reads the store" },
    { "DEFAULT", "log_config_append", false, "logging follows debug, log_file and log_dir alone" },
    { "DEFAULT", "use_syslog", false, "the log goes to log_file or standard error" },
    { "DEFAULT", "use_journal", false,
      "the log goes to log_file or standard error, which systemd keeps in the journal" },
    { "cors", "allowed_origin", false, "pages of other origins get no CORS headers" },
    { "image_import_opts", "image_import_plugins", false, "images cannot be imported yet" },
    { "oslo_messaging_notifications", "driver", false, "no notifications are sent" },
};

static bool is_on(const struct config *c, const char *group, const char *name)
{
    static const char *const off[] = { "", "false", "no", "off", "0", "[]", "noop" };
    const char *value = config_str(c, group, name);

    if (!config_is_set(c, group, name) || !value)
        return false;
    for (size_t i = 0; i < COUNT(off); i++)
        if (str_eq_nocase(value, off[i]))
            return false;
    return true;
}

/* ---- policy files: fine while they hold no rule ---- */

static bool is_rule(const char *line)
{
    static const char *const empty[] = { "---", "...", "{", "}", "{}" };
    size_t n;

    line += strspn(line, " \t\r\n");
    n = strcspn(line, "#\r\n");
    while (n > 0 && (line[n - 1] == ' ' || line[n - 1] == '\t'))
        n--;
    for (size_t i = 0; i < COUNT(empty); i++)
        if (n == strlen(empty[i]) && memcmp(line, empty[i], n) == 0)
            return false;
    return n > 0;
}

static int check_policy_file(const char *path, struct error *e)
{
    FILE *in = fopen(path, "re");
    size_t cap = 0;
    unsigned lineno = 0;
    char *line = NULL;
    int failed = 0;

    if (!in && (errno == ENOENT || errno == ENOTDIR))
        return 0;
    if (!in)
        return error_set(e, ERROR_INVALID, "%s: cannot be read: %s", path, strerror(errno));
    while (!failed && getline(&line, &cap, in) >= 0) {
        lineno++;
        if (is_rule(line))
            failed = error_set(e, ERROR_INVALID,
                               "%s:%u: policy files are not supported yet, and a rule that is not "
                               "enforced would open what it closes: the built-in defaults apply without it",
                               path, lineno);
    }
    free(line);
    fclose(in);
    return failed;
}

static int check_policy_dir(const char *dir, struct error *e)
{
    CLEANUP(str_done) struct str path = STR_INIT;
    DIR *d = opendir(dir);
    const struct dirent *entry;
    int failed = 0;

    if (!d)
        return 0;
    while (!failed && (entry = readdir(d)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        str_clear(&path);
        str_addf(&path, "%s/%s", dir, entry->d_name);
        failed = check_policy_file(str_text(&path), e);
    }
    closedir(d);
    return failed;
}

/* Relative names are looked for beside each configuration file, as oslo.config's find_file() does. */
static int check_policy(const struct config *c, const char *name, int (*check)(const char *, struct error *),
                        struct error *e)
{
    CLEANUP(str_done) struct str path = STR_INIT;

    if (*name == '/')
        return check(name, e);
    for (const char *const *f = conf_files(c); *f; f++) {
        const char *slash = strrchr(*f, '/');

        str_clear(&path);
        str_addf(&path, "%.*s%s", slash ? (int)(slash - *f + 1) : 0, *f, name);
        if (check(str_text(&path), e) < 0)
            return -1;
    }
    return 0;
}

static int check_policies(const struct config *c, struct error *e)
{
    const char *file = config_str(c, "oslo_policy", "policy_file");
    const char *const *dirs;
    size_t n = config_list(c, "oslo_policy", "policy_dirs", &dirs);

    if (file && check_policy(c, file, check_policy_file, e) < 0)
        return -1;
    /* oslo.policy falls back to the JSON form of the default name. */
    if (!config_is_set(c, "oslo_policy", "policy_file") &&
        check_policy(c, "policy.json", check_policy_file, e) < 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (check_policy(c, dirs[i], check_policy_dir, e) < 0)
            return -1;
    return 0;
}

int conf_check(const struct config *c, void (*loud)(void *arg, const char *text), void *arg, struct error *e)
{
    CLEANUP(str_done) struct str text = STR_INIT;

    for (size_t i = 0; i < COUNT(unsupported); i++) {
        const char *group = unsupported[i].group, *name = unsupported[i].name;

        if (!is_on(c, group, name))
            continue;
        str_clear(&text);
        str_addf(&text, "%s: [%s] %s is not supported yet: %s", config_origin(c, group, name, NULL), group,
                 name, unsupported[i].why);
        if (unsupported[i].refuse)
            return error_set(e, ERROR_INVALID, "%s", str_text(&text));
        loud(arg, str_text(&text));
    }
    return check_policies(c, e);
}
