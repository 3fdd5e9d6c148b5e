/* SPDX-License-Identifier: Apache-2.0 */
/* Private to main/: what a process takes from itself before it becomes a program that reads strangers' data
 * (helper.c). One thread; nothing is given back. What the kernel cannot do is left out, unless it is said
 * that the call fails then. */
#ifndef MAIN_SANDBOX_H
#define MAIN_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

struct sandbox_limits {
    int64_t cpu_seconds;
    uint64_t memory, file_size; /* bytes: of address space; of the largest file */
};
int sandbox_limits_set(const struct sandbox_limits *l);
/* No network, no IPC and no host name of others: namespaces of its own, where these are allowed. */
void sandbox_leave(void);
/* No capability, and none from what is executed. Fails rather than leave one. */
int sandbox_weaken(void);
/* Landlock: files that may be read, and the one that may be written (NULL: none); and programs with their
 * libraries, to run. */
int sandbox_files(const char *program, const char *read, const char *write);
/* seccomp: the system calls that reading and writing files with threads takes, executing `program` (this very
 * pointer), and no other. Fails where there is no such filter. */
int sandbox_calls(const char *program);

#endif
