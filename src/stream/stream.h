/* SPDX-License-Identifier: Apache-2.0 */
/* Moving bytes: one source, a chain of filters, one sink, and one loop that pumps them.
 *
 * Threads: a pump runs on the caller's thread; the digest filter may use up to two helper threads of
 * its own while cores are free. Buffers are page-aligned and STREAM_BUFFER bytes. */
#ifndef STREAM_STREAM_H
#define STREAM_STREAM_H

#include <sys/types.h>

#include "base/base.h"

enum { STREAM_BUFFER = 1024 * 1024 };

/* Where bytes come from. read(): > 0 bytes, 0 complete, -1 with *e filled (ERROR_ABORTED when the peer went
 * away). */
struct stream_source {
    ssize_t (*read)(void *arg, void *buf, size_t n, struct error *e);
    void *arg;
};

/* Where bytes go, or a filter on the way: it sees every byte in order and may refuse. */
struct stream_sink {
    int (*write)(void *arg, const void *buf, size_t n, struct error *e);
    void *arg;
    /* NULL: write() is done with buf when it returns. Else the sink may go on reading buf, and whoever called
     * write() has to call settle() before changing or freeing it; it waits until buf is not needed any more.
     */
    void (*settle)(void *arg, const void *buf);
};

/* Reads the source to its end, filling whole buffers as far as the source allows, and gives each to every
 * sink in order. progress (may be NULL) is called after each read, so that a slow peer is a sign of life too,
 * with the bytes read so far; -1 stops the pump. Returns 0 with *ret_bytes set, or -1 with *e filled by
 * whoever failed. */
int stream_pump(const struct stream_source *source, const struct stream_sink *sinks, size_t n_sinks,
                int (*progress)(void *arg, uint64_t bytes, struct error *e), void *progress_arg,
                uint64_t *ret_bytes, struct error *e) MUST_CHECK;

/* ---- files ---- */

/* Writing past the page cache: copying whole images into it costs as much as a hash and drives out what is
 * read often. Only on local file systems that are known to take it; over a network each write would wait for
 * the server. True when it is on. */
bool stream_direct_on(int fd);
void stream_direct_off(int fd, bool *direct); /* before reading by that descriptor, at the latest */
/* As pwrite(2), without EINTR; turns it off where a piece is not aligned. */
ssize_t stream_direct_write(int fd, bool *direct, const void *buf, size_t n, uint64_t at);

/* ---- filters ---- */

/* Refuses the first byte over max with ERROR_TOO_LARGE and this message. */
struct stream_limit {
    uint64_t max, seen;
    const char *message;
};
struct stream_sink stream_limit_sink(struct stream_limit *l);

/* MD5 and one more hash in one pass (OpenSSL's EVP). From the second large write on, helper threads overlap
 * the two with each other and with the caller, as long as all digests' callers and helpers together are at
 * most one thread more than the cores. */
struct stream_digest;
enum { STREAM_HASH_HEX_MAX = 129 };
/* algorithm: a Python hashlib name (sha512, sha256, sha1, md5, sha3_256, blake2b…); -1 ERROR_INTERNAL when
 * unknown. */
int stream_digest_begin(const char *algorithm, struct stream_digest **ret, struct error *e) MUST_CHECK;
size_t stream_hash_size(const char *algorithm); /* bytes of its digest; 0 when unknown */
struct stream_sink stream_digest_sink(struct stream_digest *d);
/* Both as lower-case hex; call once after the last byte. */
int stream_digest_end(struct stream_digest *d, char md5[33], char hash[STREAM_HASH_HEX_MAX],
                      struct error *e) MUST_CHECK;
void stream_digest_free(struct stream_digest **d); /* at any time; takes NULL */

/* What bytes in memory are known by: the first half of their SHA-256 in hex, so that a client cannot make two
 * texts that are taken for each other. False (no memory) leaves ret alone. */
enum { STREAM_FINGERPRINT_MAX = 33 };
bool stream_fingerprint(const void *bytes, size_t n, char ret[STREAM_FINGERPRINT_MAX]) MUST_CHECK;

/* ---- for tests: a source or sink that fails ---- */

struct stream_fail_at {
    struct stream_source source; /* what is passed through */
    uint64_t at;                 /* fails once so many bytes have passed */
    enum error_kind kind;
    uint64_t seen; /* starts at 0 */
};
struct stream_source stream_fail_at_source(struct stream_fail_at *f);

/* A source over memory; piece is the largest read it answers (0: no limit). */
struct stream_memory {
    const void *data;
    size_t len, at, piece;
};
struct stream_source stream_memory_source(struct stream_memory *m);

#endif
