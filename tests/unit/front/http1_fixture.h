/* SPDX-License-Identifier: Apache-2.0 */
/* A front end on loopback sockets with a small service behind it, and a client with plain sockets. */
#ifndef TESTS_UNIT_FRONT_HTTP1_FIXTURE_H
#define TESTS_UNIT_FRONT_HTTP1_FIXTURE_H

#include "test.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "front/http1/http1.h"

#define H    "Host: h\r\n"
#define LAST H "Connection: close\r\n"

enum { FILE_SIZE = 5 * 1024 * 1024 };

struct fixture {
    struct http1 *http;
    char dir[64], file[96], socket[96];
    int file_fd;
    _Atomic unsigned waiting; /* in /hold */
    _Atomic bool let_go;
    _Atomic unsigned deferred, whole, cut; /* files sent after their handler had returned, and their ends */
    _Atomic int seen_abort;                /* 1: a body that broke off, 2: aborted() told so */
    struct http1_options options;
};
extern struct fixture t;

int set_up_all(void **state);
int tear_down_all(void **state);
int set_up(void **state);
int tear_down(void **state);
void start(const struct http1_options *change); /* its limits that are not 0 replace the generous ones */
unsigned stop(void);

int dial(void);
int dial_to(enum http1_protocol p);
int dial_slow(void); /* with room for a few KiB only: a file waits until it is read */
void say(int fd, const char *text);
/* Everything until the end of the connection; -1: a reset, or no end. */
ssize_t hear_all(int fd, struct str *out);
/* At least until `end` was seen `times` times. */
void hear_until(int fd, struct str *out, const char *end, int times);
bool is_closed(int fd);
/* One request on a connection that ends with it. */
void ask(const char *text, struct str *out);
const char *body_of(const struct str *answer);
void check_file(const char *got);
void eventually(_Atomic unsigned *value, unsigned wanted);

#endif
