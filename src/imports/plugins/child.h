/* SPDX-License-Identifier: Apache-2.0 */
/* Private to imports/: running a program that reads what strangers made, by `glint helper` (main/helper.c),
 * which keeps it from all but one file to read and one to write. */
#ifndef IMPORTS_PLUGINS_CHILD_H
#define IMPORTS_PLUGINS_CHILD_H

#include "imports/import.h"

struct plugin_child {
    const char *const *argv; /* whole path of the program, its arguments; ends with NULL */
    const char *read;        /* whole path of the file that it may read */
    const char *write;       /* of the one that it may write, which exists; NULL: none */
    uint64_t file_size;      /* bytes of that at most */
    const char *larger;      /* the error when it would be more */
    int64_t cpu, timeout;    /* seconds */
    const char *message;     /* what the task says meanwhile */
};
/* Waits until it ends, which it does when the import is to stop; *out is what it printed. ERROR_MEDIA: it
 * failed at the data; ERROR_TOO_LARGE: it ran into a limit; ERROR_INTERNAL: it could not be run;
 * ERROR_UNAVAILABLE: somebody killed it. */
int plugin_child_run(struct import *im, const struct plugin_child *child, struct str *out,
                     struct error *e) MUST_CHECK;

#endif
