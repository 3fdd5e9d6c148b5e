/* SPDX-License-Identifier: Apache-2.0 */
/* The one writer of staged files: image bytes on their way to the stores.
 *
 * <image id>        whole: what the image will be stored as
 * <image id>.part   being fetched; kept from one try of a job to the next
 * <image id>.new    being made out of the whole one by a plugin
 *
 * What is known of a whole file (size, hashes, what inspection says) is a row of glint_staged, so that it
 * need not be read again; a file whose mark is another is read. Whoever has the image's job, or stages it
 * (PUT …/stage, under an upload lease), is the only one who writes these files. One thread at a time. */
#ifndef TRANSFER_STAGING_H
#define TRANSFER_STAGING_H

#include "db/db.h"
#include "stream/stream.h"
#include "transfer/staged.h"

struct staging_file; /* one being written */

/* A hash that fetched data have to have, in hex. */
struct staging_hash {
    const char *algorithm, *value;
};
enum { STAGING_EXPECTED_MAX = 2 };

/* How the job that the data are for learns of them. */
struct staging_ops {
    /* Called again and again while bytes are read; its failure stops that. */
    int (*alive)(void *arg, struct error *e);
    /* So many bytes of an earlier try are there. */
    int (*reached)(void *arg, uint64_t bytes, struct error *e);
    /* So many more bytes were written. */
    void (*moved)(void *arg, uint64_t bytes);
    /* Within the unit that writes what is known of a file, which may be repeated; made: the file was made
     * now, so that the running step ends. A failure fails the unit. */
    int (*written)(void *arg, struct db_conn *c, bool made, struct error *e);
    /* The unit of a file that was made is committed. */
    void (*committed)(void *arg);
};

/* An image with its staged files. All pointers are borrowed, and must outlive what is begun with them. */
struct staging {
    struct db *db;
    struct arena *arena;
    const char *dir;   /* without a slash at its end; NULL: there is none, and all but unlink fails */
    const char *place; /* URL of this host; NULL: it has none */
    const char *image_id;
    const struct image *image; /* as it was when the step began: what it says of its data is checked */
    const char *hashing_algorithm;
    uint64_t size_cap;                                  /* bytes */
    int64_t quota;                                      /* bytes of the project; 0: none */
    const char *project;                                /* NULL: none */
    struct staging_hash expected[STAGING_EXPECTED_MAX]; /* of what is fetched; md5 and another */
    size_t n_expected;
    bool doubted; /* another process may still write ".part": it is begun anew */
    const struct staging_ops *ops;
    void *arg; /* theirs */
};

/* Where the image's whole file is, or would be. */
int staging_path(const struct staging *s, char *ret, size_t size, struct error *e) MUST_CHECK;

/* suffix: ".part" or ".new". keep: what an earlier try wrote stays, and *ret_at says how much that is; its
 * bytes are read again for the hashes. The caller's own marks of what they are bytes of (ETag …) are job
 * notes. */
int staging_begin(struct staging *s, const char *suffix, bool keep, struct staging_file **ret,
                  uint64_t *ret_at, struct error *e) MUST_CHECK;
/* For a pump, whose next buffer fills while one is hashed; returns how many there are. They refuse what is
 * above image_size_cap or the quota, and what a full medium does not take, with ERROR_TOO_LARGE. */
enum { STAGING_SINKS = 4 };
size_t staging_sinks(struct staging_file *f, struct stream_sink ret[STAGING_SINKS]);
/* For programs that write it by themselves: its path. What they wrote is read at commit. */
const char *staging_file_path(const struct staging_file *f);
/* How many bytes it may have: image_size_cap, and for ".new" no more than what is left of the project's
 * user_storage_quota; *ret_larger (static) says which. Sinks and commit ask by themselves. */
uint64_t staging_most(const struct staging_file *f, const char **ret_larger);
int staging_fits(const struct staging_file *f, uint64_t bytes, struct error *e) MUST_CHECK;
/* Durable, known, and in place of the whole file, in one with the end of the running step; frees. What was
 * fetched (".part") has to have the hashes that the import expects, else ERROR_PRECONDITION. */
int staging_commit(struct staging_file **f, struct error *e) MUST_CHECK;
void staging_abort(struct staging_file **f); /* the file goes; frees; takes NULL; for CLEANUP */
void staging_leave(struct staging_file **f); /* the file stays for the next try; frees; takes NULL */

/* The whole file: open for reading, and what is known of it, which is found out by reading where it is not.
 * ERROR_NOT_FOUND: there is none. */
int staging_open(struct staging *s, int *ret_fd, struct staged **ret, struct error *e) MUST_CHECK;
/* Whether the whole file that is known is on this host. */
int staging_here(struct staging *s, bool *ret, struct error *e) MUST_CHECK;
/* Takes all files of the image away; what cannot be removed is housekeeping's. staging_remove() forgets what
 * was known of them, too. */
void staging_unlink(const struct staging *s);
int staging_remove(struct staging *s, struct error *e) MUST_CHECK;

#endif
