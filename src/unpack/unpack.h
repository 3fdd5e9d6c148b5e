/* SPDX-License-Identifier: Apache-2.0 */
/* Reading compressed files. One file per format; a file is read by its descriptor, from its
 * start, and never by a name that it contains.
 *
 * Errors: ERROR_MEDIA, it is broken or of a kind that is not understood; ERROR_TOO_LARGE, it needs more
 * memory than allowed; ERROR_INTERNAL, the library is not there. One thread per struct unpack. */
#ifndef UNPACK_UNPACK_H
#define UNPACK_UNPACK_H

#include <sys/types.h>

#include "base/base.h"

struct unpack;

/* Which format the file's first bytes are of; NULL: none that is known. */
enum { UNPACK_HEAD = 8 };
const char *unpack_format(const void *head, size_t n);
/* Formats that are known by their look and cannot be read. */
bool unpack_is_foreign(const void *head, size_t n);

/* fd is borrowed until unpack_close(). memory: bytes that the format may need besides. */
int unpack_open(const char *format, int fd, uint64_t memory, struct unpack **ret, struct error *e) MUST_CHECK;
/* > 0 bytes, 0: complete and whole, -1. */
ssize_t unpack_read(struct unpack *u, void *buf, size_t n, struct error *e);
uint64_t unpack_taken(const struct unpack *u); /* bytes of the file that were read so far */
void unpack_close(struct unpack **u);          /* takes NULL; for CLEANUP */

/* ---- for the formats ---- */

/* The file, read piece by piece. */
struct unpack_input {
    int fd;
    uint64_t at, taken; /* where the next piece is; how many bytes were read */
    uint64_t end;       /* read no further */
    size_t n;           /* bytes in the piece */
    uint8_t piece[64 * 1024];
};
/* The next piece; n is 0 at the end. */
int unpack_fill(struct unpack_input *in, struct error *e) MUST_CHECK;
/* Exactly so many bytes from there; ERROR_MEDIA when the file has fewer. */
int unpack_read_at(struct unpack_input *in, uint64_t at, void *buf, size_t n, struct error *e) MUST_CHECK;

struct unpack_driver {
    const char *name;
    const char *library;
    size_t state_size;
    /* The state is zeroed. done() is called however open() ended. */
    int (*open)(void *state, struct unpack_input *in, uint64_t memory, struct error *e);
    ssize_t (*read)(void *state, struct unpack_input *in, void *buf, size_t n, struct error *e);
    void (*done)(void *state);
};
extern const struct unpack_driver unpack_gzip, unpack_zip, unpack_xz, unpack_zstd;

/* Loads the library once and finds its functions: calls end with a NULL name. False: it is not there. */
struct unpack_call {
    const char *name;
    void **at;
};
bool unpack_load(const char *library, const struct unpack_call *calls);
int unpack_no_library(const struct unpack_driver *d, struct error *e);
int unpack_broken(struct error *e, const struct unpack_driver *d, const char *why);

#endif
