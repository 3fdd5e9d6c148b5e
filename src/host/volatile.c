/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a directory loses what is in it, or is not the one that other processes see under its name. */
#include "host/volatile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

#include <linux/magic.h>

#include "base/base.h"

/* Whether a mount at /tmp or /var/tmp, above the path, is a directory that systemd made for one unit
 * (PrivateTmp=, systemd.exec(5)): the fourth field of /proc/self/mountinfo (proc(5)) names it. */
static bool is_private(const char *path)
{
    FILE *f = fopen("/proc/self/mountinfo", "re");
    char *line = NULL;
    size_t cap = 0;
    bool found = false;

    while (f && !found && getline(&line, &cap, f) > 0) {
        char root[512], at[512];

        if (sscanf(line, "%*s %*s %*s %511s %511s", root, at) != 2 ||
            (!str_eq(at, "/tmp") && !str_eq(at, "/var/tmp")))
            continue;
        found = strstr(root, "/systemd-private-") && str_starts(path, at) && path[strlen(at)] == '/';
    }
    free(line);
    if (f)
        fclose(f);
    return found;
}

static bool is_in_memory(const char *path)
{
    struct statfs fs;

    return statfs(path, &fs) == 0 && (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
}

void warn_staging(const char *dir)
{
    static const char advice[] = "name another directory in node_staging_uri, for example "
                                 "file:///var/lib/glance/staging";

    if (!dir)
        return;
    if (is_private(dir))
        log_warning(
            "the staging directory %s is private to this service (PrivateTmp): what is staged is lost "
            "with its restart, and a worker that is another unit does not find it; %s",
            dir, advice);
    else if (is_in_memory(dir))
        log_warning(
            "the staging directory %s is in memory: what is staged is lost with the machine's restart; %s",
            dir, advice);
}
