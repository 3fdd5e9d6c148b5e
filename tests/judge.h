/* SPDX-License-Identifier: Apache-2.0 */
/* A little server on the loopback address that gives each connection the same answer and remembers what it
 * was asked; setup and teardown of a group of tests, whose state it is. */
#ifndef TESTS_JUDGE_H
#define TESTS_JUDGE_H

#include "test.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct judge {
    int fd;
    unsigned port;
    pthread_t thread;
    pthread_mutex_t lock;
    const char *answer;  /* head and body; NULL: silence until the client gives up */
    char request[16384]; /* the last one */
};

static size_t body_length(const char *request)
{
    const char *header = strcasestr(request, "\r\nContent-Length: "), *end = strstr(request, "\r\n\r\n");

    return header && end ? (size_t)(end - request) + 4 + strtoul(header + 18, NULL, 10) : SIZE_MAX;
}

static void answer_one(struct judge *j, int fd)
{
    size_t n = 0;
    ssize_t got;

    WITH_MUTEX(&j->lock);
    j->request[0] = '\0';
    while (n < body_length(j->request) &&
           (got = recv(fd, j->request + n, sizeof j->request - 1 - n, 0)) > 0) {
        n += (size_t)got;
        j->request[n] = '\0';
    }
    if (j->answer)
        assert_true(send(fd, j->answer, strlen(j->answer), MSG_NOSIGNAL) > 0);
    else
        got = recv(fd, &(char){ 0 }, 1, 0);
    close(fd);
}

static void *judge_run(void *arg)
{
    struct judge *j = arg;
    int fd;

    while ((fd = accept(j->fd, NULL, NULL)) >= 0)
        answer_one(j, fd);
    return NULL;
}

static int judge_start(void **state)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t n = sizeof at;
    struct judge *j = mem_new(sizeof *j);

    pthread_mutex_init(&j->lock, NULL);
    j->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(j->fd, (struct sockaddr *)&at, n), 0);
    assert_int_equal(listen(j->fd, 8), 0);
    getsockname(j->fd, (struct sockaddr *)&at, &n);
    j->port = ntohs(at.sin_port);
    assert_int_equal(thread_start(&j->thread, "judge", THREAD_STACK, judge_run, j), 0);
    *state = j;
    return 0;
}

static int judge_stop(void **state)
{
    struct judge *j = *state;

    shutdown(j->fd, SHUT_RDWR);
    pthread_join(j->thread, NULL);
    close(j->fd);
    mem_free(j);
    return 0;
}

static void judge_prepare(struct judge *j, const char *answer)
{
    WITH_MUTEX(&j->lock);
    j->answer = answer;
}

/* What it was asked last, once it is done with that. */
static bool was_asked(struct judge *j, const char *part)
{
    WITH_MUTEX(&j->lock);
    return strstr(j->request, part) != NULL;
}

#endif
