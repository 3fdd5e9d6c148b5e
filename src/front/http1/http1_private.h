/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this room share. The life of a connection:
 *
 *   accept -> (HANDSHAKE ->) IDLE <-> HEAD -> served inline  -> (SEND ->) IDLE | LINGER | DRAIN | closed
 *                                        |--> BUSY, a worker's -> back by loop_return() -> the same
 *                     a document to come: `--> BODY -> BUSY
 *   a file that the client does not take now: BUSY -> PARKED -> BUSY …
 *
 * 1. A connection belongs to one thread at a time: to its loop, or, while BUSY, to one worker. Only its
 *    loop frees it and closes its descriptor, so a descriptor of a BUSY connection is never reused.
 * 2. Whoever owns it owns its wire, its input and, through the gateway, its answer. A worker never
 *    touches the lists, the loop never the rest of a BUSY connection, but for shutdown(2) at the end.
 * 3. A BUSY connection is not in the epoll set at all: even with no events asked for, EPOLLHUP would
 *    come and the loop would act on what a worker is using.
 * 4. Each state has one list in the order of `since`, so what is due first is at its front. */
#ifndef FRONT_HTTP1_PRIVATE_H
#define FRONT_HTTP1_PRIVATE_H

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "front/http1/http1.h"

/* ---- wire.c: bytes of a socket, plain or through TLS, never blocking ---- */

enum { WIRE_GONE = -1, WIRE_WAIT = -2 };

struct wire {
    int fd;
    short want; /* POLLIN or POLLOUT: what the last WIRE_WAIT waits for */
    SSL *ssl;   /* NULL: plain */
};

ssize_t wire_read(struct wire *w, void *buf, size_t n); /* > 0; 0: nothing more will come; GONE, WAIT */
ssize_t wire_write(struct wire *w, const struct iovec *iov, int n, bool more); /* > 0, GONE, WAIT */
/* As sendfile(2); 0 at the end of the file. Only for a plain wire. */
ssize_t wire_sendfile(struct wire *w, int fd, uint64_t offset, size_t n);
ssize_t wire_handshake(struct wire *w);  /* 0: done; GONE, WAIT */
bool wire_pending(const struct wire *w); /* bytes that no poll will tell of */
bool wire_vanished(const struct wire *w);
void wire_shut(struct wire *w);  /* nothing more will be written */
void wire_reset(struct wire *w); /* close() sends RST from now on, also when the process is killed */
void wire_calm(struct wire *w);  /* the opposite: all is said */
void wire_break(struct wire *w); /* from any thread: breaks it now and wakes who waits for it */
void wire_close(struct wire *w);
/* Bytes that were written and that the other side has not acknowledged yet. */
uint64_t wire_queued(const struct wire *w);

/* ---- tls.c ---- */

int tls_open(const struct http1_options *o, SSL_CTX **ret, struct error *e) MUST_CHECK;

/* ---- connections ---- */

struct loop;
struct gateway;

enum { PARKED_LOOKS = 8 }; /* at a reader who takes nothing, in the time that he has */
/* A stopping server waits so long for a reader of whom nothing is heard. Those who read have the time that
 * the stop has. */
#define STOP_QUIET_US (5 * CLOCK_SECOND)

enum source { SOURCE_WAKE, SOURCE_DOOR, SOURCE_CONN }; /* first member of what epoll hands back */

enum conn_state {
    CONN_HANDSHAKE,
    CONN_IDLE,
    CONN_HEAD,
    CONN_READY,
    CONN_BODY, /* a document is to be whole before a thread is taken; `job` is the request */
    CONN_BUSY,
    CONN_PARKED, /* the rest of a file waits until the client takes it; `job` is the request */
    CONN_SEND,
    CONN_LINGER,
    CONN_DRAIN, /* as LINGER, as long as something comes */
    CONN_STATES
};

enum verdict {
    VERDICT_KEEP,
    VERDICT_CLOSE,
    VERDICT_LINGER,
    VERDICT_BREAK,
    VERDICT_PARK
}; /* what becomes of it after an answer */

/* Bytes read and not yet used: data[off..len). */
struct input {
    char *data;
    uint32_t off, len, cap;
};

struct conn {
    enum source source;
    uint8_t state;    /* enum conn_state */
    uint8_t verdict;  /* enum verdict: after SEND, or from the worker */
    uint8_t interest; /* poll events in the epoll set; 0: not in it */
    bool armed;       /* closing it would be a break: the answer is not whole */
    bool emptied;     /* the last read of a head took all there was */
    struct wire wire;
    struct loop *loop;
    struct listener *listener;
    struct conn *prev, *next; /* in the state's list: the loop's, even while BUSY */
    struct conn *link;        /* in a pool's queue, then among the returned */
    int64_t since, drain_until;
    struct input in;  /* allocated only while it holds something */
    uint32_t scanned; /* of in, for the parser */
    struct str out;   /* the rest of an answer while SEND */
    size_t out_sent;
    uint64_t queued;     /* of it in the kernel, when a stopping server last looked; 0: it has not */
    struct gateway *job; /* while BODY, BUSY and PARKED */
    struct share *who;   /* in a pool: whose request it is */
    struct share *place; /* whose connection it is; NULL: not counted */
    int64_t queued_us;
    uint64_t address; /* the peer's, as a holder */
    char peer[INET6_ADDRSTRLEN];
};

struct conn_list {
    struct conn *first, *last;
};

void input_keep(struct input *in, const void *bytes, size_t n); /* replaces what it holds */
void input_free(struct input *in);

/* ---- gateway.c, body.c, answer.c: one request being served ---- */

/* The Date header's text, made once a second by the thread that it belongs to. */
struct date {
    int64_t second;
    char text[CLOCK_TEXT_MAX];
};

/* How fast a body comes, counting only the time that we waited for it. */
struct rate {
    int64_t waited_us;
    uint64_t bytes;
};
/* False when less than min_rate bytes a second came in a whole window of waiting. */
bool rate_waited(struct rate *r, int64_t us, unsigned min_rate);

/* What is left of a file that is the end of an answer. */
struct rest {
    int fd; /* own where the request is deferred; -1: there is none */
    uint64_t offset, len;
    uint64_t handed;              /* bytes given to the kernel so far */
    int64_t window_us;            /* since when the rate is measured; 0: not yet */
    uint64_t window_acknowledged; /* what had arrived then */
    uint64_t seen;                /* what had arrived when it was looked at last */
    unsigned quiet;               /* looks in a row that saw nothing new */
};

enum body_state { BODY_OPEN, BODY_COMPLETE, BODY_GONE, BODY_SLOW, BODY_BAD };

struct gateway {
    struct http_request rq;
    struct http1 *h;
    struct conn *c;
    struct date *date;
    struct str *out;      /* not yet sent: earlier pipelined answers, then ours */
    struct str own;       /* *out on a worker */
    char *memory;         /* the head's bytes on a worker */
    size_t connection_at; /* where in *out a Connection header would go; 0: head is sent */
    enum body_state body;
    uint64_t body_left; /* by Content-Length */
    struct http_chunked chunks;
    struct rate rate;
    uint64_t holder;
    struct str document; /* the body, or what came of it, where it is a document */
    size_t document_read;
    unsigned document_units; /* of it, counted in h->documents */
    struct rest rest;
    struct arena *arena; /* own, while deferred */
    bool continue_due;   /* the client waits for 100 */
    bool keep;           /* the connection stays open after this */
    bool headed, bodyless, chunked;
    bool held;           /* the whole answer is collected, to learn its length */
    bool must_wait;      /* on a loop: only a worker can serve this */
    bool gone;           /* nothing can be sent any more */
    int64_t answer_left; /* of the promised length; < 0: unknown */
    struct http1_head head;
};

extern const struct gateway_ops http1_gateway_ops, uwsgi_gateway_ops;

/* After a head was parsed into g->head: a request of c, with answers going to *out. < 0: the negative of the
 * status to refuse it with, and g->head.problem. */
int gateway_begin(struct gateway *g, struct conn *c, struct str *out, struct date *date, struct arena *a);
/* A copy for a worker; head is where the parsed bytes are. */
struct gateway *gateway_move(const struct gateway *g, const char *head, size_t n);
/* On the worker, whose date and arena it has from now on. */
void gateway_arrive(struct gateway *g, struct date *date, struct arena *a);
/* Runs the service; its result. */
int gateway_serve(struct gateway *g);
/* Completes the answer (but does not send it while inline) and tells what is to become of the connection. */
enum verdict gateway_finish(struct gateway *g);
void gateway_free(struct gateway *g);
/* The value of field i, with those of later ones of that name. */
const char *field_joined(struct gateway *g, size_t i, const char *name);
/* For body.c and answer.c: wait until the wire moves; false when it did not in time. */
bool gateway_wait(struct gateway *g, bool for_body);
/* Whether the whole transfer is still within its time. */
bool gateway_in_time(const struct gateway *g, int64_t now);
/* Once, when nothing more of the request is read or sent: counts it, and tells the service where that was
 * deferred. */
void gateway_ended(struct gateway *g, bool whole);

/* ---- uwsgi.c ---- */

/* Fills g->rq from the variables in g->head; < 0 as gateway_begin(). */
int uwsgi_request(struct gateway *g);
const char *uwsgi_header(struct gateway *g, const char *name);

ssize_t body_read(struct gateway *g, void *buf, size_t n);
/* On a loop: what has come of a document. 1: nothing more is to be waited for; 0: more has to come; -1: there
 * is no room for it. */
int body_collect(struct gateway *g);
/* Whether the body is here as a whole, without another look at the connection. */
bool body_here(const struct gateway *g);
void body_forget(struct gateway *g); /* the document's memory */
bool body_drain(struct gateway *g);  /* reads a small rest that is there already; true when complete */

int answer_head(struct gateway *g, int status, const struct http_headers *h, int64_t length);
int answer_write(struct gateway *g, const void *buf, size_t n);
int answer_sendfile(struct gateway *g, int fd, uint64_t offset, uint64_t len);
/* Sends of the rest what the client takes. 1: all of it, 0: it has to wait, -1: the client is gone. */
int answer_rest(struct gateway *g, int patience_ms);
/* Whether what arrives at a reader is enough, and all of it still in time. */
bool answer_moves(struct gateway *g, int64_t now);
uint64_t answer_acknowledged(const struct gateway *g);
void answer_settle(struct gateway *g); /* decides about keep and declares it */
int answer_flush(struct gateway *g, bool more);
bool answer_end(struct gateway *g); /* false when less was written than promised */
int answer_send(struct gateway *g, struct iovec *iov, int n, bool more);
/* A whole answer to a head that was refused. */
void answer_refusal(struct str *out, struct date *d, enum http1_protocol p, int status, const char *problem);

/* ---- share.c: under the lock of what they belong to ---- */

enum { SHARES_BUCKETS = 256 };

struct share {
    uint64_t key;
    unsigned held;
    struct conn *first, *last; /* waiting, in order; linked by link */
    struct share *same;        /* in its bucket */
    struct share *turn;        /* the next one whose connections wait */
};

struct shares {
    unsigned percent, taken;
    struct share *buckets[SHARES_BUCKETS];
};

struct share *share_of(struct shares *s, uint64_t key); /* made where there was none */
/* n places of max, all or none. Who gets none, and wants nothing else, is to be tidied. */
bool share_take(struct shares *s, struct share *who, unsigned n, unsigned max);
void share_leave(struct shares *s, struct share *who, unsigned n);
void share_tidy(struct shares *s, struct share *who); /* frees one that holds and wants nothing */

/* ---- pool.c ---- */

struct worker;

struct pool {
    struct http1 *h;
    const char *name;
    unsigned max;
    pthread_mutex_t lock;
    struct shares shares;
    struct share *turn, *turn_last; /* whose connections wait: they take turns */
    _Atomic unsigned n_waiting;
    struct worker *idle;  /* the last to become idle is the first to work: others can end */
    struct worker *ended; /* to be joined */
    struct worker *spare; /* joined, to be used again */
    unsigned threads;
    bool closing;
    pthread_cond_t none; /* threads is 0 */
    struct metric_series *busy, *waiting;
};

void pool_open(struct pool *p, struct http1 *h, const char *name, unsigned max, unsigned percent);
int pool_submit(struct pool *p, struct conn *c); /* -1: no thread could be had */
/* Takes out of the queue what waits there since `before` or longer for this loop; linked by link. */
struct conn *pool_overdue(struct pool *p, const struct loop *l, int64_t before);
void pool_close(struct pool *p); /* when nothing is queued or running any more */

/* ---- listen.c ---- */

struct listener {
    struct listener *next;
    int fd; /* shared by all loops, else -1 */
    enum http1_protocol protocol;
    bool tls;
    uint16_t port; /* 0: a Unix socket's */
    char host[80]; /* stands in for a missing Host */
    char *path;    /* of a Unix socket that we made, else NULL */
    dev_t dev;
    ino_t ino;
};

/* A listening descriptor as one loop sees it. */
struct door {
    enum source source;
    int fd;
    bool shared; /* with other loops: another door closes it */
    struct listener *listener;
    struct door *next;
};

void listeners_unlink(struct http1 *h); /* removes their socket files, so that no client connects any more */
void listeners_close(struct http1 *h);

/* ---- loop.c, listen.c, conn.c ---- */

struct loop {
    struct http1 *h;
    pthread_t thread;
    bool started;
    int epoll, event;
    enum source wake;    /* for epoll */
    struct door *doors;  /* under h->lock */
    bool doors_shut;     /* not in the epoll set */
    int64_t doors_retry; /* when shut for want of descriptors */
    bool complained;     /* about that */
    bool crowded;        /* an idle connection is to go, after the events that may be about it */
    int reserve;         /* given up to refuse a connection when no descriptor is left; -1: gone */
    bool stopping, killed;
    int64_t stopping_us; /* since when */
    struct conn_list lists[CONN_STATES];
    unsigned conns;
    unsigned broken;               /* requests broken off at the end */
    struct conn *_Atomic returned; /* last first, linked by link */
    int64_t now, queues_us;        /* when queues are looked at again */
    struct input scratch;
    struct str out;
    struct arena *arena;
    struct date date;
    struct gateway gateway;
};

int loop_open(struct loop *l, struct http1 *h, unsigned index, struct error *e) MUST_CHECK;
void loop_join(struct loop *l);
void loop_close(struct loop *l);
void loop_wake(struct loop *l);
void loop_return(struct conn *c); /* a worker gives a connection back, c->verdict is set */

void loop_accept(struct loop *l, struct door *d);
void loop_make_room(struct loop *l);
void loop_shut_doors(struct loop *l, int64_t retry); /* for a while; retry: when to try again, or INT64_MAX */
void loop_try_doors(struct loop *l);                 /* opens them again when that is possible */
void loop_close_doors(struct loop *l);               /* for good */

void conn_open(struct loop *l, struct listener *from, int fd, SSL *ssl, const char *peer, uint64_t address,
               struct share *place);
void connection_uncount(struct http1 *h, struct share **place);
void conn_close(struct conn *c);
void conn_event(struct conn *c);  /* its descriptor is ready */
void conn_resume(struct conn *c); /* it is READY: there is input that epoll does not tell of */
void conn_expire(struct conn *c); /* it is too long in its state */
void conn_finish(struct conn *c, enum verdict v); /* an answer is sent */

/* For conn_wait.c, which has the states BODY and PARKED. */
void conn_to(struct conn *c, enum conn_state state);
void conn_watch(struct conn *c, short events);
void conn_refuse(struct conn *c, int status, const char *problem); /* into the loop's out */
void conn_answer(struct conn *c, enum verdict v);
void conn_refuse_job(struct conn *c, int status, const char *problem);
void conn_submit(struct conn *c); /* its job, to a pool */

void conn_collect_begin(struct conn *c);
void conn_collect(struct conn *c);
void conn_collect_expire(struct conn *c);
void conn_park(struct conn *c);
void conn_unpark(struct conn *c);
void conn_park_expire(struct conn *c);
void loop_expire_queued(struct loop *l);

struct http1 {
    struct http1_options o; /* strings are copies; limits are in the atomics below */
    _Atomic int64_t head_us, idle_us, body_us, linger_us, drain_us, transfer_us, queue_us;
    _Atomic unsigned min_rate;
    _Atomic bool stopping, killing;
    _Atomic unsigned open; /* connections */
    _Atomic unsigned shut; /* loops that do not accept because of connections_max */
    pthread_mutex_t lock;
    pthread_cond_t empty; /* running went to 0 */
    unsigned running;
    struct loop *loops;
    unsigned n_loops;
    struct pool workers, transfers;
    struct pool
        senders; /* go on with parked files: bounded work, so that neither uploads nor readers hold it */
    pthread_mutex_t shares_lock;
    struct shares addresses, documents;
    struct listener *listeners;
    uint16_t ports[HTTP1_PROTOCOLS];
    SSL_CTX *tls; /* under lock */
    struct metric_series *connections, *accepted, *bytes_in, *bytes_out;
};

void http1_count_refusal(struct http1 *h, int status);

#endif
