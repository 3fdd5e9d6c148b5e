/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors that a variable or a struct owns; -1: none. */
#ifndef BASE_FD_H
#define BASE_FD_H

#include <unistd.h>

/* Closes it if it is open, and leaves -1; for CLEANUP. */
static inline void fd_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Hands it over and leaves -1, as TAKE() does with pointers. */
static inline int fd_take(int *fd)
{
    int taken = *fd;

    *fd = -1;
    return taken;
}

#endif
