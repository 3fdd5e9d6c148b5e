/* SPDX-License-Identifier: Apache-2.0 */
/* Where files are looked for (operations.md section 2; oslo.config find_config_files, find_config_dirs) and
 * what applies when there is none. */
#include "conf/conf.h"

#include <errno.h>
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

/* 1, 0, or -1 for unknown: a directory without search permission may hold the configuration. */
static int looked(const char *path, struct error *e)
{
    struct stat st;

    if (stat(path, &st) == 0)
        return 1;
    if (errno == ENOENT || errno == ENOTDIR)
        return 0;
    return error_set(e, ERROR_INVALID, "%s: cannot be looked at: %s", path, strerror(errno));
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

/* The first ones of find_one(): another user's home holds no configuration of ours. */
enum { HOME_PLACES = 2 };

/* The first of oslo.config's places that has it. */
static int find_one(struct arena *a, const char *name, struct paths *ret, struct error *e)
{
    const char *places[] = { arena_printf(a, "%s/.glance", home()), home(), "/etc/glance", "/etc" };

    for (size_t i = 0; i < COUNT(places); i++) {
        const char *path = arena_printf(a, "%s/%s", places[i], name);
        int found = looked(path, e);

        if (found < 0 && i >= HOME_PLACES)
            return -1;
        if (found > 0) {
            add_path(ret, path);
            return 0;
        }
    }
    return 0;
}

static int find_in_config_dir(struct arena *a, const char *name, struct paths *ret, struct error *e)
{
    const char *path = arena_printf(a, "%s/%s", config_dir(), name);
    int found = looked(path, e);

    if (found > 0)
        add_path(ret, path);
    return found < 0 ? -1 : 0;
}

static int find_files(struct arena *a, const char *tool, struct paths *ret, struct error *e)
{
    const char *own = tool ? arena_printf(a, "glance-%s.conf", tool) : NULL;

    if (!tool)
        return find_in_config_dir(a, "glance-image-import.conf", ret, e) < 0
                   ? -1
                   : find_in_config_dir(a, "glance-api.conf", ret, e);
    if (getenv("OS_GLANCE_CONFIG_DIR"))
        return find_in_config_dir(a, "glance-api.conf", ret, e) < 0 ? -1 : find_in_config_dir(a, own, ret, e);
    if (find_one(a, "glance.conf", ret, e) < 0 || find_one(a, "glance-api.conf", ret, e) < 0)
        return -1;
    return find_one(a, own, ret, e);
}

static int find_dirs(struct arena *a, const char *tool, struct paths *ret, struct error *e)
{
    if (find_one(a, "glance.conf.d", ret, e) < 0)
        return -1;
    return find_one(a, tool ? arena_printf(a, "glance-%s.conf.d", tool) : "glance-api.conf.d", ret, e);
}

static int check_dirs(const char *const *dirs, struct error *e)
{
    struct stat st;

    for (; dirs && *dirs; dirs++) {
        if (stat(*dirs, &st) == 0 && !S_ISDIR(st.st_mode))
            return error_set(e, ERROR_INVALID, "%s: is no directory (--config-dir)", *dirs);
        if (access(*dirs, R_OK | X_OK) < 0)
            return error_set(e, ERROR_INVALID, "%s: %s (--config-dir)", *dirs,
                             errno == ENOENT ? "no such directory" : strerror(errno));
    }
    return 0;
}

/* ---- no file at all ---- */

static char data_dir[4096];

static void make_data_dir(void)
{
    const char *own = getenv("GLINT_DATA_DIR"), *xdg = getenv("XDG_DATA_HOME");

    if (own && *own)
        snprintf(data_dir, sizeof data_dir, "%s", own);
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
        "glint.import_private=false",
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

/* What was named and is not there, in one line. */
static int no_configuration(const struct conf_request *rq, struct error *e)
{
    const char *named = getenv("OS_GLANCE_CONFIG_DIR");
    CLEANUP(str_done) struct str text = STR_INIT;

    str_add(&text, "no configuration was found: ");
    for (const char *const *d = rq->dirs; d && *d; d++)
        str_addf(&text, "%s (--config-dir) has no .conf file, ", *d);
    if (named && *named && access(config_dir(), F_OK) < 0)
        str_addf(&text, "the directory %s (OS_GLANCE_CONFIG_DIR) is not there", config_dir());
    else
        str_addf(&text, "there is no glance-api.conf in %s%s", config_dir(),
                 named ? *named ? " (OS_GLANCE_CONFIG_DIR)" : " (OS_GLANCE_CONFIG_DIR is empty)" : "");
    str_add(&text, "; name the file by --config-file (in a web server GlintConfig, glint-config or "
                   "GLINT_CONFIG), or its directory by OS_GLANCE_CONFIG_DIR");
    return error_set(e, ERROR_INVALID, "%s", str_text(&text));
}

/* /etc/glance without a configuration is a file that was forgotten or a volume that is not mounted, unless
 * somebody asks for the profile by naming its directory. */
static bool is_meant(const struct conf_request *rq)
{
    const char *own = getenv("GLINT_DATA_DIR");

    return rq->dirs || getenv("OS_GLANCE_CONFIG_DIR") || (!(own && *own) && access("/etc/glance", F_OK) == 0);
}

/* The directory that OS_GLANCE_CONFIG_DIR names has to have a file: what only the common drop-in directories
 * say would leave out whatever protects the service. */
static bool named_is_empty(const struct conf_request *rq, const struct paths *found)
{
    const char *named = getenv("OS_GLANCE_CONFIG_DIR");

    return named && *named && !rq->files && !rq->dirs && found->n == 0;
}

static int find(struct arena *a, const struct conf_request *rq, struct paths *files, struct paths *dirs,
                struct error *e)
{
    if (!rq->files && find_files(a, rq->tool, files, e) < 0)
        return -1;
    if (!rq->dirs && find_dirs(a, rq->tool, dirs, e) < 0)
        return -1;
    if (named_is_empty(rq, files))
        return no_configuration(rq, e);
    return check_dirs(rq->dirs, e);
}

static int read_standalone(struct arena *a, const struct conf_request *rq, struct config_input *in,
                           struct config **ret, struct error *e)
{
    if (!rq->standalone || is_meant(rq))
        return no_configuration(rq, e);
    in->profile = standalone_pairs(a, rq->defaults);
    return config_read(in, ret, e);
}

static int load(struct arena *a, const struct conf_request *rq, struct config **ret, struct error *e)
{
    struct paths files = { 0 }, dirs = { 0 };
    struct config_input in = {
        .options = conf_options,
        .files = rq->files ? rq->files : files.items,
        .dirs = rq->dirs ? rq->dirs : dirs.items,
        .overrides = rq->overrides,
        .profile = rq->defaults,
        .environment = rq->environment,
    };
    struct config *c;

    if (find(a, rq, &files, &dirs, e) < 0 || config_read(&in, &c, e) < 0)
        return -1;
    if (conf_is_standalone(c)) {
        config_free(c);
        return read_standalone(a, rq, &in, ret, e);
    }
    *ret = c;
    return 0;
}

static const char *const *unless_empty(const char *const *list)
{
    return list && list[0] ? list : NULL;
}

int conf_load(const struct conf_request *rq, struct config **ret, struct error *e)
{
    struct conf_request asked = *rq;
    struct arena *a = arena_make(4096);
    int failed;

    asked.files = unless_empty(rq->files);
    asked.dirs = unless_empty(rq->dirs);
    failed = load(a, &asked, ret, e);
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
