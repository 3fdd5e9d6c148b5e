/* SPDX-License-Identifier: Apache-2.0 */
/* Where files are looked for (operations.md section 2; oslo.config find_config_files, find_config_dirs) and
 * what applies when there is none. */
#include "conf/conf.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATHS_MAX = 16 };

/* What the search found: NULL-terminated because it began empty and never fills its last place. */
struct paths {
    const char *items[PATHS_MAX];
    size_t n;
};

static void add_path(struct paths *p, const char *path)
{
    if (p->n + 1 < PATHS_MAX)
        p->items[p->n++] = path;
}

static bool exists(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0;
}

static const char *home(void)
{
    const char *h = getenv("HOME");

    return h && *h ? h : "/";
}

static const char *config_dir(void)
{
    const char *dir = getenv("OS_GLANCE_CONFIG_DIR");

    return dir && *dir ? dir : "/etc/glance";
}

/* The first of oslo.config's places that has it. */
static void find_one(struct arena *a, const char *name, struct paths *ret)
{
    const char *places[] = { arena_printf(a, "%s/.glance", home()), home(), "/etc/glance", "/etc" };

    for (size_t i = 0; i < COUNT(places); i++) {
        const char *path = arena_printf(a, "%s/%s", places[i], name);

        if (exists(path)) {
            add_path(ret, path);
            return;
        }
    }
}

static void find_in_config_dir(struct arena *a, const char *name, struct paths *ret)
{
    const char *path = arena_printf(a, "%s/%s", config_dir(), name);

    if (exists(path))
        add_path(ret, path);
}

static void find_files(struct arena *a, const char *tool, struct paths *ret)
{
    if (!tool) {
        find_in_config_dir(a, "glance-image-import.conf", ret);
        find_in_config_dir(a, "glance-api.conf", ret);
    } else if (getenv("OS_GLANCE_CONFIG_DIR")) {
        find_in_config_dir(a, "glance-api.conf", ret);
        find_in_config_dir(a, arena_printf(a, "glance-%s.conf", tool), ret);
    } else {
        find_one(a, "glance.conf", ret);
        find_one(a, "glance-api.conf", ret);
        find_one(a, arena_printf(a, "glance-%s.conf", tool), ret);
    }
}

static void find_dirs(struct arena *a, const char *tool, struct paths *ret)
{
    find_one(a, "glance.conf.d", ret);
    find_one(a, tool ? arena_printf(a, "glance-%s.conf.d", tool) : "glance-api.conf.d", ret);
}

static int check_dirs(const char *const *dirs, struct error *e)
{
    for (; dirs && *dirs; dirs++)
        if (!exists(*dirs))
            return error_set(e, ERROR_INVALID, "%s: no such directory (--config-dir)", *dirs);
    return 0;
}

/* ---- no file at all ---- */

static char data_dir[4096];

static void make_data_dir(void)
{
    const char *own = getenv("GLINT_DATA_DIR"), *state = getenv("STATE_DIRECTORY"),
               *xdg = getenv("XDG_DATA_HOME");

    if (own && *own)
        snprintf(data_dir, sizeof data_dir, "%s", own);
    else if (state && *state)
        snprintf(data_dir, sizeof data_dir, "%.*s", (int)strcspn(state, ":"), state);
    else if (geteuid() == 0)
        snprintf(data_dir, sizeof data_dir, "/var/lib/glint");
    else if (xdg && *xdg)
        snprintf(data_dir, sizeof data_dir, "%s/glint", xdg);
    else
        snprintf(data_dir, sizeof data_dir, "%s/.local/share/glint", home());
}

const char *conf_data_dir(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, make_data_dir);
    return data_dir;
}

/* The directory is made absolute: SQLAlchemy's sqlite URLs tell absolute paths by their slash. */
static const char *data_dir_pair(struct arena *a)
{
    CLEANUP(str_done) struct str out = STR_INIT;
    const char *dir = conf_data_dir();
    char here[4096];

    str_add(&out, "glint.data_dir=");
    if (*dir != '/' && getcwd(here, sizeof here)) {
        str_add(&out, here);
        str_addc(&out, '/');
    }
    for (; *dir; dir++)
        str_add(&out, *dir == '$' ? "$$" : (char[]){ *dir, '\0' });
    return arena_str(a, str_text(&out));
}

/* What the profile says, and then what the hosting program prefers. */
static const char *const *standalone_pairs(struct arena *a, const char *const *defaults)
{
    const char *profile[] = {
        data_dir_pair(a),
        "database.connection=sqlite:///${glint.data_dir}/glance.sqlite",
        "glance_store.stores=file",
        "glance_store.filesystem_store_datadir=${glint.data_dir}/images",
        "DEFAULT.node_staging_uri=file://${glint.data_dir}/staging",
        "DEFAULT.bind_host=127.0.0.1",
    };
    const char **pairs = NULL;
    size_t n = 0, cap = 0;

    for (size_t i = 0; i < COUNT(profile); i++)
        *ARENA_PUSH(a, pairs, n, cap) = profile[i];
    for (; defaults && *defaults; defaults++)
        *ARENA_PUSH(a, pairs, n, cap) = *defaults;
    *ARENA_PUSH(a, pairs, n, cap) = NULL;
    return pairs;
}

int conf_load(const struct conf_request *rq, struct config **ret, struct error *e)
{
    struct arena *a = arena_make(4096);
    struct paths files = { 0 }, dirs = { 0 };
    struct config_input in = {
        .options = conf_options,
        .files = rq->files && rq->files[0] ? rq->files : files.items,
        .dirs = rq->dirs && rq->dirs[0] ? rq->dirs : dirs.items,
        .overrides = rq->overrides,
        .profile = rq->defaults,
        .environment = rq->environment,
    };
    int failed;

    if (in.files == files.items)
        find_files(a, rq->tool, &files);
    if (in.dirs == dirs.items)
        find_dirs(a, rq->tool, &dirs);
    failed = check_dirs(rq->dirs, e);
    if (!failed)
        failed = config_read(&in, ret, e);
    if (!failed && conf_is_standalone(*ret)) {
        config_free(*ret);
        in.profile = standalone_pairs(a, rq->defaults);
        failed = config_read(&in, ret, e);
    }
    arena_free(a);
    return failed;
}

bool conf_is_standalone(const struct config *c)
{
    return config_files(c)[0] == NULL;
}

const char *const *conf_files(const struct config *c)
{
    return config_files(c);
}

const char *const *conf_search_dirs(const struct config *c, struct arena *a)
{
    const char *const *files = conf_files(c);
    const char **dirs;
    size_t n_files = 0, n = 0;

    while (files[n_files])
        n_files++;
    dirs = arena_array(a, const char *, n_files + 5);
    while (n_files-- > 0) {
        const char *slash = strrchr(files[n_files], '/');
        const char *dir = slash ? arena_strn(a, files[n_files], (size_t)(slash - files[n_files])) : ".";

        if (n == 0 || !str_eq(dirs[n - 1], dir))
            dirs[n++] = dir;
    }
    dirs[n++] = arena_printf(a, "%s/.glance", home());
    dirs[n++] = home();
    dirs[n++] = "/etc/glance";
    dirs[n++] = "/etc";
    return dirs;
}
