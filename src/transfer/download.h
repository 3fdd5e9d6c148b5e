/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of an image, out of the first of its locations that has them. */
#ifndef TRANSFER_DOWNLOAD_H
#define TRANSFER_DOWNLOAD_H

#include "model/model.h"
#include "store/store.h"
#include "stream/stream.h"

/* An object that is being sent: out of a file, or through a buffer, whose first filling came before the
 * answer's head, so that an object which cannot be read is noticed in time. */
struct download {
    struct store_get *get;
    char *buffer; /* NULL: a file */
    size_t filled;
};

/* The first location, in their order, that is the whole image and gives the first bytes of the range. Else
 * the last failure, but for ERROR_NOT_FOUND after others: data that cannot be read now are not "no data".
 * Logs each location that cannot be read, with the name of who asks. */
int download_open(const struct stores *stores, const struct image *im, uint64_t offset, uint64_t len,
                  const char *who, struct download *ret, struct error *e) MUST_CHECK;
/* A file to read the image from, at the same offsets; -1: there is none, download_copy() reads. */
int download_fd(const struct download *d);
/* The range that it was opened with. What `to` fails with is returned as it is. */
int download_copy(struct download *d, uint64_t offset, uint64_t len, const struct stream_sink *to,
                  struct error *e) MUST_CHECK;
void download_close(struct download *d); /* for CLEANUP; takes one that is all zero */

/* Whether the location that is tried first is on another server. The image has one. */
bool download_distant(const struct stores *stores, const struct image *im);

#endif
