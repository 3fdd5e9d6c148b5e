/* SPDX-License-Identifier: Apache-2.0 */
/* Settings that would be dangerous to ignore. What guards something, or decides what happens to data, refuses
 * the start: a service that seems to protect what it does not is worse than none. */
#include "conf/conf.h"

#include <arpa/inet.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *group, *name;
    bool refuse;
    const char *why;
} unsupported[] = {
    { "DEFAULT", "metadata_encryption_key", true, "encrypted locations in the database could not be read" },
    { "DEFAULT", "delayed_delete", true, "data of deleted images is removed at once" },
    { "DEFAULT", "use_keystone_limits", true, "no quota from Keystone would be enforced" },
    { "DEFAULT", "image_cache_dir", false, "there is no image cache: every download reads the store" },
    { "DEFAULT", "log_config_append", false, "logging follows debug, log_file and log_dir alone" },
    { "DEFAULT", "use_syslog", false, "the log goes to log_file or standard error" },
    { "DEFAULT", "use_journal", false,
      "the log goes to log_file or standard error, which systemd keeps in the journal" },
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

/* Releases before 2024.2 read policy.json where nothing else was set; now neither Glance nor this does. */
static void check_old_policy(const struct config *c, void (*loud)(void *arg, const char *text), void *arg)
{
    struct arena *a = arena_make(1024);

    for (const char *const *dir = conf_search_dirs(c, a); *dir; dir++) {
        const char *path = arena_printf(a, "%s/policy.json", *dir);

        if (config_is_set(c, "oslo_policy", "policy_file") || access(path, F_OK) != 0)
            continue;
        loud(arg, arena_printf(a, "%s is not read: [oslo_policy] policy_file is %s", path,
                               config_str(c, "oslo_policy", "policy_file")));
    }
    arena_free(a);
}

/* Whoever names a file means its rules; that it may be absent is for the default name. */
static void check_named_policy(const struct config *c, void (*loud)(void *arg, const char *text), void *arg)
{
    const char *name = config_str(c, "oslo_policy", "policy_file");
    struct arena *a = arena_make(1024);
    bool found = false;

    for (const char *const *dir = conf_search_dirs(c, a); *dir && name && !found; dir++)
        found = access(*name == '/' ? name : arena_printf(a, "%s/%s", *dir, name), F_OK) == 0;
    if (config_is_set(c, "oslo_policy", "policy_file") && name && *name && !found)
        loud(arg, arena_printf(a, "%s: [oslo_policy] policy_file %s is not there: the default rules apply",
                               config_origin(c, "oslo_policy", "policy_file", NULL), name));
    arena_free(a);
}

/* Every import would fail. */
static void check_qemu_img(const struct config *c, void (*loud)(void *arg, const char *text), void *arg)
{
    const char *program = config_str(c, "glint", "qemu_img"), *const * plugins;
    size_t n = config_list(c, "image_import_opts", "image_import_plugins", &plugins);
    CLEANUP(str_done) struct str text = STR_INIT;

    for (size_t i = 0; i < n; i++) {
        if (!str_eq(plugins[i], "image_conversion") || access(program ? program : "", X_OK) == 0)
            continue;
        str_addf(&text, "%s: image_conversion needs qemu-img, and %s cannot be run: imports will fail",
                 config_origin(c, "image_import_opts", "image_import_plugins", NULL),
                 program ? program : "nothing");
        loud(arg, str_text(&text));
        return;
    }
}

/* "localhost" may be made to mean anything, and is what people write. */
static bool is_loopback(const char *host)
{
    struct in6_addr six;
    struct in_addr four;

    if (inet_pton(AF_INET, host, &four) == 1)
        return ntohl(four.s_addr) >> 24 == IN_LOOPBACKNET;
    if (inet_pton(AF_INET6, host, &six) == 1)
        return IN6_IS_ADDR_LOOPBACK(&six);
    return str_eq(host, "localhost");
}

static int check_loopback(const struct config *c, const char *group, const char *name, const char *host,
                          struct error *e)
{
    if (!host || !*host || is_loopback(host))
        return 0;
    return error_set(
        e, ERROR_INVALID,
        "%s: [%s] %s is %s, and without a configuration everybody may do everything: that is for "
        "the loopback address alone; no glance-api.conf was found",
        config_origin(c, group, name, NULL), group, name, host);
}

int conf_check_standalone(const struct config *c, struct error *e)
{
    const char *uwsgi = config_str(c, "glint", "bind_uwsgi");
    CLEANUP(str_done) struct str host = STR_INIT;

    if (!conf_is_standalone(c))
        return 0;
    if (uwsgi && strrchr(uwsgi, ':')) {
        size_t n = (size_t)(strrchr(uwsgi, ':') - uwsgi);
        bool brackets = n > 1 && uwsgi[0] == '[' && uwsgi[n - 1] == ']';

        str_addn(&host, uwsgi + brackets, n - 2 * (size_t)brackets);
    }
    if (check_loopback(c, "glint", "bind_uwsgi", str_text(&host), e) < 0)
        return -1;
    return check_loopback(c, "DEFAULT", "bind_host", config_str(c, "DEFAULT", "bind_host"), e);
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
    check_old_policy(c, loud, arg);
    check_named_policy(c, loud, arg);
    check_qemu_img(c, loud, arg);
    return 0;
}
