/* SPDX-License-Identifier: Apache-2.0 */
/* Where image bytes are kept. Users see stores by id; drivers are in driver.h.
 *
 * Writing is all or nothing: begin / write / commit. Nobody can read an object before store_put_commit(),
 * which is durable when it returns; store_put_abort() leaves no trace, also after a commit, and
 * never touches an object that somebody else put under the same name.
 * Error kinds: ERROR_TOO_LARGE (medium full: "Image storage media is full: …"), ERROR_UNAVAILABLE (no
 * permission to write or read, or the store is not the one it was: store_check()), ERROR_FORBIDDEN (no
 * permission to delete), ERROR_GONE (store unusable: "Error in store configuration. Adding images to store is
 * disabled."), ERROR_NOT_FOUND (no such object), ERROR_CONFLICT (object exists, or in use), ERROR_INVALID
 * (the store cannot do it), ERROR_INTERNAL. Threads: a struct store is shared; a put or get belongs to one
 * thread at a time. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <sys/types.h>

#include "base/base.h"

struct store;
struct stores; /* all of a configuration's */
struct store_put;
struct store_get;

enum { STORE_ID_MAX = 255 };

struct store_place;
/* What is known of the stores' directories beside what lies in them. */
struct store_proof {
    /* Whether the directory is the one that holds the store's objects: 0, or ERROR_UNAVAILABLE. Asked when a
     * directory is new to this process, and not while it stays the same; by any thread, also in a
     * transaction. */
    int (*prove)(void *arg, const struct store *s, const struct store_place *now, struct error *e);
    /* Whether a directory that is not there should be: then none is made in its place. */
    bool (*expected)(void *arg, const char *dir);
    void *arg;
};

/* Opens what the configuration names: several stores ([DEFAULT] enabled_backends with a section each,
 * [glance_store] default_backend), or one ([glance_store] stores and default_store). A store that cannot be
 * opened is an error, but for those of `stores` beside the default. proof: NULL believes every directory, and
 * makes those that are missing. */
int stores_open(const struct config *c, const struct store_proof *proof, struct stores **ret,
                struct error *e) MUST_CHECK;
/* Takes over what follows a reload of the configuration, under running transfers. */
void stores_reread(struct stores *s, const struct config *c);
void stores_close(struct stores *s); /* takes NULL */
struct store *stores_default(const struct stores *s);
bool stores_several(
    const struct stores *s); /* whether enabled_backends named them: clients know them by id */
struct store *stores_by_id(const struct stores *s, const char *id); /* NULL: there is none */
/* The store that serves this location, or NULL: of those that its URL may belong to, the one with this id
 * (NULL: not known). Ids are moved and directories renamed; data are where their URL says. */
struct store *stores_for_url(const struct stores *s, const char *store_id, const char *url);
/* Where data waits that is to be imported: a store of files beside those that clients know, found by the URLs
 * of its files. NULL: it cannot be used, which was said when it was opened. */
#define STORE_STAGING "os_glance_staging_store"
struct store *stores_staging(const struct stores *s);
const char *stores_staging_dir(const struct stores *s); /* its directory; NULL: none */
/* Whether a directory that this service works in, and clients' data stay in for a while, is its own:
 * ERROR_INVALID when another user owns it or everybody may write into it; what a group may do is logged.
 * what: for the messages, as "staging directory". */
int dir_check_own(const char *path, const char *what, struct error *e) MUST_CHECK;
size_t stores_count(const struct stores *s);
struct store *stores_at(const struct stores *s, size_t i);

const char *store_id(const struct store *s);          /* "file" in single-store mode */
const char *store_type(const struct store *s);        /* driver's name */
bool store_writable(const struct store *s);           /* now */
bool store_read_only(const struct store *s);          /* by its type */
bool store_distant(const struct store *s);            /* even opening an object asks a remote server */
const char *store_description(const struct store *s); /* NULL: none */
int64_t store_weight(const struct store *s);          /* the heavier is read first */

/* What an administrator may know of a store. */
struct store_fact {
    const char *name;
    enum { STORE_FACT_TEXT, STORE_FACT_NUMBER, STORE_FACT_FLAG } type;
    const char *text; /* of STORE_FACT_TEXT */
    int64_t number;
};
void store_describe(const struct store *s, void (*say)(void *arg, const struct store_fact *), void *arg);

struct store_location {
    char url[1024];
    uint64_t size;
};

/* size: bytes to expect, or -1. A put of more or fewer bytes than announced fails at write or commit
 * (ERROR_INVALID, Glance's "Size exceeds: …" / "Size mismatch: …" texts). */
int store_put_begin(struct store *s, const char *image_id, int64_t size, struct store_put **ret,
                    struct error *e) MUST_CHECK;
/* A put whose bytes are those of the regular file at path, all of them, without copying: what is left is the
 * commit. The file is one of ours that is on its medium and is not written any more; it stays as it is,
 * whatever becomes of the put, and is the caller's to remove. ERROR_INVALID: this store cannot take over that
 * file (it is on another file system, ...); write its bytes then. */
int store_put_link(struct store *s, const char *image_id, const char *path, struct store_put **ret,
                   struct error *e) MUST_CHECK;
int store_put_write(struct store_put *p, const void *buf, size_t n, struct error *e) MUST_CHECK;
int store_put_commit(struct store_put *p, struct store_location *ret, struct error *e) MUST_CHECK;
void store_put_abort(struct store_put **p); /* undoes, frees, sets NULL; takes NULL; for CLEANUP */
void store_put_done(struct store_put **p);  /* frees after a commit that stays */
/* The URL that a commit will give, known before it (for the lease that covers it). */
const char *store_put_url(const struct store_put *p);

/* The one spelling of the URL, so that two names of one object are seen to be that. */
const char *store_canonical(const struct store *s, struct arena *a, const char *url); /* s NULL: as it is */

/* Whether other names the object at url by another path: its directory is the same one through a symbolic
 * link or a bind mount, perhaps another store's. Looks at the file system. */
bool store_same(const struct store *s, const char *url, const char *other);

/* The size of the object without reading it, 0 where a remote server does not say. */
int store_size(struct store *s, const char *url, uint64_t *ret, struct error *e) MUST_CHECK;
/* A whole object opened for reading; *ret_size is its size now, or STORE_SIZE_UNKNOWN where a remote server
 * does not say. */
#define STORE_SIZE_UNKNOWN UINT64_MAX
int store_get_open(struct store *s, const char *url, struct store_get **ret, uint64_t *ret_size,
                   struct error *e) MUST_CHECK;
/* Bytes from offset: > 0, 0 at the end, -1. What ends before its announced size is an error, never an end. */
ssize_t store_get_read(struct store_get *g, uint64_t offset, void *buf, size_t n, struct error *e);
int store_get_fd(const struct store_get *g); /* a file that sendfile(2) can read, or -1 */
void store_get_close(struct store_get **g);  /* takes NULL; for CLEANUP */

/* Would store_delete() be refused? Asked before the database forgets the image. */
int store_delete_check(struct store *s, const char *url, struct error *e) MUST_CHECK;
/* Absent is ERROR_NOT_FOUND. */
int store_delete(struct store *s, const char *url, struct error *e) MUST_CHECK;
/* The same, quickly: where giving a large object's space back takes long, it begins when *ret_fd is closed;
 * else that is -1. */
int store_delete_quickly(struct store *s, const char *url, int *ret_fd, struct error *e) MUST_CHECK;

/* Removes what dead writers left in this store's work areas (temporary files nobody holds);
 * returns how many. Safe beside live writers of any process. */
size_t store_sweep(struct store *s);

/* ---- whether it is itself ---- */

/* A directory of a store, as it is found now. */
enum { STORE_PLACE_MAX = 801 };
struct store_place {
    const char *dir;             /* as configured */
    char mark[96];               /* file system, inode and birth: the same while it is the same directory */
    char mount[STORE_PLACE_MAX]; /* where its file system is mounted */
    int fd;                      /* the open directory; borrowed */
};
bool store_place_has(const struct store_place *p, const char *name, int64_t size); /* size -1: any */

/* Whether all of the store can be looked at and is itself; ERROR_UNAVAILABLE: an object that is not found may
 * be there all the same. Of distant stores nothing is asked. */
int store_check(struct store *s, struct error *e) MUST_CHECK;
/* Tells of each directory; of stores without, nothing. */
int store_places(struct store *s, int (*tell)(void *arg, const struct store_place *, struct error *e),
                 void *arg, struct error *e) MUST_CHECK;

/* ---- looking after it ---- */

struct store_object {
    const char *name;        /* the image's id, where a put made it */
    const char *url, *alias; /* alias: as other releases may have spelled it; NULL: there is one spelling */
    uint64_t size;
    int64_t changed_us; /* when its bytes were written last */
};
/* Returns -1 to end the listing. */
typedef int store_tell(void *arg, const struct store_object *o, struct error *e);
/* Tells of the objects there are, in no order; one that comes or goes meanwhile may be told of or not. Memory
 * does not grow with their number. ERROR_INVALID: the store cannot say what it has. */
int store_list(struct store *s, store_tell *tell, void *arg, struct error *e) MUST_CHECK;
/* Takes an object out of reach of every location and keeps its bytes; adds to *ret_where where an operator
 * finds them. ERROR_CONFLICT: it is not there any more as it was seen. */
int store_quarantine(struct store *s, const struct store_object *seen, struct str *ret_where,
                     struct error *e) MUST_CHECK;

#endif
