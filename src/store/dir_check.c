/* SPDX-License-Identifier: Apache-2.0 */
/* Whether other users can write into a directory of the service. In /tmp, where Glance's default staging
 * directory is, any user may make it first and then replace its files. */
#include "store/store.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

/* There the server decides who owns what: all_squash gives every file to the user nobody. */
static bool owners_are_remote(const char *path)
{
    struct statfs fs;

    return statfs(path, &fs) == 0 &&
           ((unsigned long)fs.f_type == NFS_SUPER_MAGIC || (unsigned long)fs.f_type == SMB2_SUPER_MAGIC ||
            (unsigned long)fs.f_type == CIFS_SUPER_MAGIC);
}

static bool is_strange(uid_t owner)
{
    return owner != geteuid() && owner != 0;
}

static int refuse(const char *what, const char *path, struct error *e, const char *why)
{
    return error_set(e, ERROR_INVALID,
                     "The %s %s %s: another user could put in the place of an image what he likes. Name a "
                     "directory of this service's user.",
                     what, path, why);
}

int dir_check_own(const char *path, const char *what, struct error *e)
{
    CLEANUP(str_done) struct str why = STR_INIT;
    struct stat st;

    if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode) && is_strange(st.st_uid)) {
        str_addf(&why, "is a link of user id %u", (unsigned)st.st_uid);
        return refuse(what, path, e, str_text(&why));
    }
    if (stat(path, &st) < 0)
        return error_errno(e, ERROR_INVALID, errno, "The %s %s cannot be looked at.", what, path);
    if (is_strange(st.st_uid)) {
        str_addf(&why, "belongs to user id %u", (unsigned)st.st_uid);
        if (!owners_are_remote(path))
            return refuse(what, path, e, str_text(&why));
        log_warning("the %s %s %s, who may replace what is in it", what, path, str_text(&why));
    }
    if (st.st_mode & S_IWOTH && !(st.st_mode & S_ISVTX))
        return refuse(what, path, e, "may be written by everybody");
    if (st.st_mode & S_IWOTH)
        log_warning("the %s %s may be written by everybody; name a directory of its own", what, path);
    else if (st.st_mode & S_IWGRP)
        log_warning("the %s %s may be written by group id %u, whose members may replace what is in it", what,
                    path, (unsigned)st.st_gid);
    return 0;
}
