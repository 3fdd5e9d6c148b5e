/* SPDX-License-Identifier: Apache-2.0 */
/* Moves image bytes into a store.
 *
 * Upload, as states of the image row and who moves it:
 *
 *     queued --upload_begin--> saving --upload_commit--> active
 *       ^                        |
 *       +------upload_abort------+   (also upkeep_round(), when the uploader is dead or its lease ran out)
 *
 * Staging (upload_options.stage) is an upload into the staging store: queued -> uploading by upload_begin(),
 * which it still is after upload_commit(), without the lease; upload_abort() and upkeep_round() as above.
 *
 * Invariants:
 *  1 A row is `saving` through us, or `uploading` without data, only together with its lease, written in the
 *    same transaction.
 *  2 The object is durable in the store before the row says active (data before row), the row before the
 *    reply.
 *  3 A process that has lost the lease changes neither row nor object.
 *  4 An object without a row is in glint_trash or under a lease, so that cleaning up always finds it. */
#ifndef TRANSFER_UPLOAD_H
#define TRANSFER_UPLOAD_H

#include "base/base.h"
#include "db/db.h"
#include "inspect/inspect.h"
#include "model/model.h"
#include "store/store.h"
#include "stream/stream.h"

struct upload;

struct upload_options {
    struct db *db;
    struct store *store;
    const char *metadata; /* of the location that will be: a JSON object */
    const char *hashing_algorithm;
    uint64_t size_cap;     /* bytes; image_size_cap */
    int64_t declared_size; /* bytes, or -1 */
    int64_t storage_quota; /* bytes of all that the project has; 0: none */
    const char *project;   /* that the quota is of; NULL: none, which has stored nothing */
    bool inspect;          /* container_format bare */
    struct inspect_policy inspect_policy;
    bool stage;             /* into the staging store, for an import: see below */
    const char *stage_dir;  /* of the staging store */
    const char *stage_host; /* URL by which others reach this host's staging; "": none, or all have it */
};

/* Whether the project may store what the upload announces, or anything at all: ERROR_TOO_LARGE.
 * upload_begin() asks again in its transaction, and upload_commit() of the bytes that came. */
int upload_quota_check(struct db_conn *c, const struct upload_options *o, const char *image_id,
                       struct error *e) MUST_CHECK;
/* queued -> saving with its lease (own transaction); ERROR_CONFLICT when it is not queued any more. Under a
 * quota the announced size is the image's from then on, so that others count it. */
int upload_begin(struct arena *a, const struct image *im, const struct upload_options *o, struct upload **ret,
                 struct error *e) MUST_CHECK;
/* The most bytes that it can take, and what upload_pump() says of more. */
uint64_t upload_room(const struct upload *up, const char **ret_message);
/* Moves the body: limit, quota, digests, inspection, store. */
int upload_pump(struct upload *up, const struct stream_source *body, struct error *e) MUST_CHECK;
/* Verdict, store commit, then in one transaction location, size, hashes, saving -> active and the lease gone.
 * That transaction looks again at the formats and at the quota: ERROR_INVALID, ERROR_MEDIA, ERROR_TOO_LARGE.
 * The image was deleted meanwhile: ERROR_GONE. On success the upload is freed and *up is NULL. */
int upload_commit(struct upload **up, struct error *e) MUST_CHECK;
/* Data gone, back to queued; never fails. Takes NULL; for CLEANUP. */
void upload_abort(struct upload **up);

#endif
