/* SPDX-License-Identifier: Apache-2.0 */
/* Two hashes of one stream.
 *
 * Each hash is a lane that has to take every piece in order, one thread at a time. Pieces are queued by
 * address, never copied; whoever has time, a helper thread or the caller while it has to wait anyway, takes
 * the lane that is furthest behind one piece forward. So no core idles while a lane has work, with one helper
 * or two.
 *
 * Invariants, under the lock:
 *  1 queue[i % QUEUE] is piece i; a lane's next is the first piece that it has not hashed; next <= queued.
 *  2 A busy lane belongs to one thread, which alone touches its context. */
#include "stream/stream.h"

#include <openssl/evp.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

enum {
    LANES = 2,
    HELPERS_MAX = 2,
    QUEUE = 8,
    PIECE_MIN = 64 * 1024 /* smaller pieces are hashed by the caller: handing over would cost more */
};

struct piece {
    const void *buf;
    size_t n;
};

struct lane {
    EVP_MD_CTX *context;
    uint64_t next;
    bool busy;
};

struct stream_digest {
    struct lane lanes[LANES]; /* the first is MD5 */
    size_t n_lanes;           /* 1 when the other hash is MD5 as well */
    bool seen_piece;          /* one large write came: more will follow */

    pthread_t helpers[HELPERS_MAX];
    size_t n_helpers;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct piece queue[QUEUE];
    uint64_t queued;
    bool stop, failed;
};

/* Python's hashlib names and what OpenSSL calls them. */
static const struct {
    const char *name, *openssl;
} algorithms[] = {
    { "md5", "MD5" },
    { "sha1", "SHA1" },
    { "sha224", "SHA2-224" },
    { "sha256", "SHA2-256" },
    { "sha384", "SHA2-384" },
    { "sha512", "SHA2-512" },
    { "sha512_224", "SHA2-512/224" },
    { "sha512_256", "SHA2-512/256" },
    { "sha3_224", "SHA3-224" },
    { "sha3_256", "SHA3-256" },
    { "sha3_384", "SHA3-384" },
    { "sha3_512", "SHA3-512" },
    { "blake2b", "BLAKE2B-512" },
    { "blake2s", "BLAKE2S-256" },
    { "sm3", "SM3" },
};

/* ---- cores ---- */

/* Threads of all digests of the process: each digest's caller and its helpers. */
static _Atomic int threads_running;

static int cores(void)
{
    cpu_set_t set;
    long n;

    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return CPU_COUNT(&set);
    n = sysconf(_SC_NPROCESSORS_ONLN); /* more cores than the set can name */
    return n > 0 ? (int)n : 1;
}

static bool core_take(int limit)
{
    int now = atomic_load(&threads_running);

    while (now < limit)
        if (atomic_compare_exchange_weak(&threads_running, &now, now + 1))
            return true;
    return false;
}

/* ---- lanes ---- */

static void lane_hash(struct stream_digest *d, struct lane *l, const struct piece *p)
{
    bool ok;

    l->busy = true;
    pthread_mutex_unlock(&d->lock);
    ok = EVP_DigestUpdate(l->context, p->buf, p->n) == 1;
    pthread_mutex_lock(&d->lock);
    l->busy = false;
    l->next++;
    if (!ok)
        d->failed = true;
    pthread_cond_broadcast(&d->changed);
}

/* One piece forward in the lane that is furthest behind; false when none is free and has work. */
static bool step(struct stream_digest *d)
{
    struct lane *best = NULL;
    struct piece p;

    for (size_t i = 0; i < d->n_lanes; i++) {
        struct lane *l = &d->lanes[i];

        if (!l->busy && l->next < d->queued && (!best || l->next < best->next))
            best = l;
    }
    if (!best)
        return false;
    p = d->queue[best->next % QUEUE];
    lane_hash(d, best, &p);
    return true;
}

static uint64_t hashed(const struct stream_digest *d)
{
    uint64_t least = d->lanes[0].next;

    for (size_t i = 1; i < d->n_lanes; i++)
        if (d->lanes[i].next < least)
            least = d->lanes[i].next;
    return least;
}

/* Until every lane has hashed `upto` pieces. */
static void wait_for(struct stream_digest *d, uint64_t upto)
{
    while (hashed(d) < upto)
        if (!step(d))
            pthread_cond_wait(&d->changed, &d->lock);
}

static void *help(void *arg)
{
    struct stream_digest *d = arg;
    WITH_MUTEX(&d->lock);

    while (!d->stop)
        if (!step(d))
            pthread_cond_wait(&d->changed, &d->lock);
    return NULL;
}

/* One thread more than cores: a caller waits for its peer and its medium about as long as it computes. */
static void helpers_start(struct stream_digest *d)
{
    int limit = cores() + 1;

    while (d->n_helpers < d->n_lanes && core_take(limit)) {
        if (thread_start(&d->helpers[d->n_helpers], "digest", THREAD_STACK, help, d) != 0) {
            atomic_fetch_sub(&threads_running, 1);
            return;
        }
        d->n_helpers++;
    }
}

static void helpers_stop(struct stream_digest *d)
{
    pthread_mutex_lock(&d->lock);
    d->stop = true;
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
    for (size_t i = 0; i < d->n_helpers; i++)
        pthread_join(d->helpers[i], NULL);
    atomic_fetch_sub(&threads_running, (int)d->n_helpers);
    d->n_helpers = 0;
}

/* ---- the sink ---- */

static int digest_write(void *arg, const void *buf, size_t n, struct error *e)
{
    struct stream_digest *d = arg;
    bool large = n >= PIECE_MIN;

    if (large && d->seen_piece && d->n_helpers == 0)
        helpers_start(d);
    d->seen_piece |= large;

    WITH_MUTEX(&d->lock);
    if (d->queued >= QUEUE)
        wait_for(d, d->queued - QUEUE + 1);
    d->queue[d->queued % QUEUE] = (struct piece){ buf, n };
    d->queued++;
    if (large && d->n_helpers > 0)
        pthread_cond_broadcast(&d->changed);
    else
        wait_for(d, d->queued);
    if (d->failed)
        return error_set(e, ERROR_INTERNAL, "The image data could not be hashed.");
    return 0;
}

static void digest_settle(void *arg, const void *buf)
{
    struct stream_digest *d = arg;
    WITH_MUTEX(&d->lock);

    for (uint64_t i = d->queued; i > hashed(d); i--)
        if (d->queue[(i - 1) % QUEUE].buf == buf) {
            wait_for(d, i);
            return;
        }
}

struct stream_sink stream_digest_sink(struct stream_digest *d)
{
    return (struct stream_sink){ .write = digest_write, .arg = d, .settle = digest_settle };
}

/* ---- begin and end ---- */

static const char *openssl_name(const char *algorithm)
{
    for (size_t i = 0; i < COUNT(algorithms); i++)
        if (str_eq(algorithms[i].name, algorithm))
            return algorithms[i].openssl;
    return NULL;
}

static bool lane_add(struct stream_digest *d, const char *openssl)
{
    struct lane *l = &d->lanes[d->n_lanes++];
    EVP_MD *md = EVP_MD_fetch(NULL, openssl, NULL);
    bool ok;

    l->context = EVP_MD_CTX_new();
    ok = md && l->context && EVP_DigestInit_ex2(l->context, md, NULL) == 1;
    EVP_MD_free(md);
    return ok;
}

size_t stream_hash_size(const char *algorithm)
{
    const char *name = openssl_name(algorithm);
    EVP_MD *md = name ? EVP_MD_fetch(NULL, name, NULL) : NULL;
    int size = md ? EVP_MD_get_size(md) : 0;

    EVP_MD_free(md);
    return size > 0 ? (size_t)size : 0;
}

int stream_digest_begin(const char *algorithm, struct stream_digest **ret, struct error *e)
{
    CLEANUP(stream_digest_free) struct stream_digest *d = NULL;
    const char *name = openssl_name(algorithm);

    if (!name)
        return error_set(e, ERROR_INTERNAL, "unsupported hash type %s", algorithm ? algorithm : "(none)");
    d = mem_new(sizeof *d);
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->changed, NULL);
    atomic_fetch_add(&threads_running, 1);
    if (!lane_add(d, "MD5") || (!str_eq(name, "MD5") && !lane_add(d, name)))
        return error_set(e, ERROR_INTERNAL, "unsupported hash type %s", algorithm);
    *ret = TAKE(d);
    return 0;
}

int stream_digest_end(struct stream_digest *d, char md5[33], char hash[STREAM_HASH_HEX_MAX], struct error *e)
{
    unsigned char raw[LANES][EVP_MAX_MD_SIZE];
    unsigned len[LANES] = { 0 };

    pthread_mutex_lock(&d->lock);
    wait_for(d, d->queued);
    pthread_mutex_unlock(&d->lock);
    helpers_stop(d);
    for (size_t i = 0; i < d->n_lanes; i++)
        if (EVP_DigestFinal_ex(d->lanes[i].context, raw[i], &len[i]) != 1)
            d->failed = true;
    if (d->failed)
        return error_set(e, ERROR_INTERNAL, "The image data could not be hashed.");
    str_hex(raw[0], len[0], md5);
    str_hex(raw[d->n_lanes - 1], len[d->n_lanes - 1], hash);
    return 0;
}

void stream_digest_free(struct stream_digest **d)
{
    struct stream_digest *own = TAKE(*d);

    if (!own)
        return;
    helpers_stop(own);
    atomic_fetch_sub(&threads_running, 1);
    for (size_t i = 0; i < own->n_lanes; i++)
        EVP_MD_CTX_free(own->lanes[i].context);
    pthread_cond_destroy(&own->changed);
    pthread_mutex_destroy(&own->lock);
    mem_free(own);
}
