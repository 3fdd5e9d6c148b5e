/* SPDX-License-Identifier: Apache-2.0 */
/* Compressed files: whatever they say, reading them ends, stays inside the buffer, and gives the same in
 * small pieces as in large ones. Seeds: unpack_seeds.py. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "unpack/unpack.h"

enum { MOST = 1024 * 1024, MEMORY = 8 * 1024 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool ok)
{
    if (!ok)
        abort();
}

/* How many bytes there are, up to MOST; -1: it is broken. Their sum tells one result from another. */
static ssize_t read_all(const char *format, int fd, size_t piece, uint64_t *ret_sum)
{
    CLEANUP(unpack_close) struct unpack *u = NULL;
    uint8_t *buf = malloc(piece);
    ssize_t all = 0, n = 0;
    struct error e;

    *ret_sum = 0;
    if (unpack_open(format, fd, MEMORY, &u, &e) < 0)
        n = -1;
    while (u && all < MOST && (n = unpack_read(u, buf, piece, &e)) > 0) {
        check((size_t)n <= piece);
        for (ssize_t i = 0; i < n && all + i < MOST; i++)
            *ret_sum = *ret_sum * 31 + buf[i];
        all += n;
    }
    free(buf);
    return n < 0 ? -1 : all < MOST ? all : MOST;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const char *format = unpack_format(data, len);
    uint64_t sums[2];
    ssize_t large, small;
    int fd;

    if (!format)
        return 0;
    fd = memfd_create("fuzz", MFD_CLOEXEC);
    check(write(fd, data, len) == (ssize_t)len);
    large = read_all(format, fd, 70000, &sums[0]);
    small = read_all(format, fd, 137, &sums[1]);
    /* libzstd takes a frame that is shorter than it says for whole when it has not room for all of it at
     * once. */
    check(large == MOST || small == MOST || str_eq(format, "zstd") || (large < 0) == (small < 0));
    check(large < 0 || small < 0 || large == MOST || small == MOST || (large == small && sums[0] == sums[1]));
    close(fd);
    return 0;
}
