/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H

#include <spawn.h>
#include <stdbool.h>
#include <sys/types.h>

/* getpid() without a system call, for what each request asks: since glibc 2.25 getpid() is one. Right after
 * fork(3), too, but not in a child of a bare clone(2) or vfork(2). Thread-safe. */
pid_t process_id(void);

/* Starts a program in a process that blocks and ignores no signal, whatever this one does; session: in a
 * session of its own. Otherwise as posix_spawn(3): returns an error number, *ret only on success. */
int process_spawn(const char *program, const posix_spawn_file_actions_t *files, char *const argv[],
                  char *const environment[], bool session, pid_t *ret);

#endif
