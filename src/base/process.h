/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H

#include <sys/types.h>

/* getpid() without a system call, for what each request asks: since glibc 2.25 getpid() is one. Right after
 * fork(3), too, but not in a child of a bare clone(2) or vfork(2). Thread-safe. */
pid_t process_id(void);

#endif
