/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdint.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342 /* linux/magic.h of older kernels lacks it */
#endif

enum { ALIGN = 4096 }; /* enough for every block device in use; EINVAL tells otherwise */

bool stream_direct_on(int fd)
{
    struct statfs fs;

    if (fstatfs(fd, &fs) < 0 || (fs.f_type != EXT4_SUPER_MAGIC && fs.f_type != XFS_SUPER_MAGIC))
        return false;
    return fcntl(fd, F_SETFL, O_DIRECT) == 0;
}

void stream_direct_off(int fd, bool *direct)
{
    if (*direct)
        fcntl(fd, F_SETFL, 0);
    *direct = false;
}

ssize_t stream_direct_write(int fd, bool *direct, const void *buf, size_t n, uint64_t at)
{
    ssize_t done;

    if ((((uintptr_t)buf | n | at) & (ALIGN - 1)) != 0) /* the end of the data, or an odd caller */
        stream_direct_off(fd, direct);
    do {
        done = pwrite(fd, buf, n, (off_t)at);
        if (done >= 0 || (errno != EINTR && !(errno == EINVAL && *direct)))
            return done;
        if (errno == EINVAL)
            stream_direct_off(fd, direct);
    } while (true);
}
