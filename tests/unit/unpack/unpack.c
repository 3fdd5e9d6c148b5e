/* SPDX-License-Identifier: Apache-2.0 */
/* Compressed files, whole and broken: those of tests/fuzz/unpack_seeds.py, and larger ones made here. */
#include "unit/store/setup.h"

#include <errno.h>
#include <fcntl.h>
#include <lzma.h>
#include <sys/mman.h>
#include <zlib.h>
#include <zstd.h>

#include "unpack/unpack.h"

#define ALL_TEN 1000 /* bytes: 0123456789 a hundred times */

enum { MEMORY = 64 * 1024 * 1024 };

static const struct {
    const char *file;
    int64_t size; /* what it holds; negative: */
    enum error_kind kind;
    const char *says;
} files[] = {
    { "gzip", ALL_TEN, 0, NULL },
    { "gzip-two", 20, 0, NULL },
    { "gzip-empty", 0, 0, NULL },
    { "gzip-zeros", ALL_TEN, 0, NULL },
    { "gzip-zeros-two", 20, 0, NULL },
    { "gzip-named", ALL_TEN, 0, NULL },
    { "gzip-cut", -1, ERROR_MEDIA, "end too early" },
    { "gzip-trailer-cut", -1, ERROR_MEDIA, "end too early" },
    { "gzip-two-cut", -1, ERROR_MEDIA, "end too early" },
    { "gzip-tail", -1, ERROR_MEDIA, NULL },
    { "gzip-head", -1, ERROR_MEDIA, "end too early" },
    { "gzip-crc", -1, ERROR_MEDIA, "incorrect data check" },
    { "gzip-size", -1, ERROR_MEDIA, "incorrect length check" },
    { "zip", ALL_TEN, 0, NULL },
    { "zip-stored", ALL_TEN, 0, NULL },
    { "zip-wide", ALL_TEN, 0, NULL },
    { "zip64", ALL_TEN, 0, NULL },
    { "zip-path", ALL_TEN, 0, NULL },
    { "zip-absolute", ALL_TEN, 0, NULL },
    { "zip-comment", ALL_TEN, 0, NULL },
    { "zip-tail", ALL_TEN, 0, NULL },
    { "zip-before", ALL_TEN, 0, NULL },
    { "zip-two", -1, ERROR_MEDIA, "more than one file" },
    { "zip-none", -1, ERROR_MEDIA, NULL },
    { "zip-head", -1, ERROR_MEDIA, "no directory" },
    { "zip-cut", -1, ERROR_MEDIA, "no directory" },
    { "zip-directory", -1, ERROR_MEDIA, "directory only" },
    { "zip-bzip2", -1, ERROR_MEDIA, "method 12" },
    { "zip-lzma", -1, ERROR_MEDIA, "method 14" },
    { "zip-encrypted", -1, ERROR_MEDIA, "encrypted" },
    { "zip-crc", -1, ERROR_MEDIA, "checksum" },
    { "zip-larger", -1, ERROR_MEDIA, "checksum" },
    { "zip-smaller", -1, ERROR_MEDIA, "checksum" },
    { "zip-packed", -1, ERROR_MEDIA, "end too early" },
    { "zip-packed-far", -1, ERROR_MEDIA, "not where it should be" },
    { "zip-no-wide", -1, ERROR_MEDIA, "zip64 number" },
    { "zip-elsewhere", -1, ERROR_MEDIA, "not where it should be" },
    { "zip-behind", -1, ERROR_MEDIA, "not where it should be" },
    { "zip-directory-far", -1, ERROR_MEDIA, "not where it should be" },
    { "zip-directory-long", -1, ERROR_MEDIA, "not where it should be" },
    { "zip-parts", -1, ERROR_MEDIA, "several parts" },
    { "zip64-far", -1, ERROR_MEDIA, "not where it should be" },
    { "zip64-parts", -1, ERROR_MEDIA, "several parts" },
    { "zip64-sizes", -1, ERROR_MEDIA, "not where it should be" },
    { "xz", ALL_TEN, 0, NULL },
    { "xz-two", 20, 0, NULL },
    { "xz-empty", 0, 0, NULL },
    { "xz-cut", -1, ERROR_MEDIA, "end too early" },
    { "xz-tail", -1, ERROR_MEDIA, NULL },
    { "xz-head", -1, ERROR_MEDIA, "end too early" },
    { "xz-broken", -1, ERROR_MEDIA, NULL },
    { "xz-memory", -1, ERROR_TOO_LARGE, "memory" },
    { "zstd", ALL_TEN, 0, NULL },
    { "zstd-two", 20, 0, NULL },
    { "zstd-skipped", ALL_TEN, 0, NULL },
    { "zstd-empty", 0, 0, NULL },
    { "zstd-cut", -1, ERROR_MEDIA, "end too early" },
    { "zstd-tail", -1, ERROR_MEDIA, NULL },
    { "zstd-head", -1, ERROR_MEDIA, "end too early" },
    { "zstd-memory", -1, ERROR_TOO_LARGE, "memory" },
};

static const char *format_of(const char *file)
{
    static char name[16];

    str_copy(name, strcspn(file, "-") + 1, file);
    return str_eq(name, "zip64") ? "zip" : name;
}

/* Reads pieces of that size; the bytes are what the seeds hold. */
static int64_t unpack_all(const char *format, int fd, size_t piece, struct error *e)
{
    CLEANUP(unpack_close) struct unpack *u = NULL;
    char *buf = malloc(piece);
    int64_t all = 0;
    ssize_t n;

    if (unpack_open(format, fd, MEMORY, &u, e) < 0) {
        free(buf);
        return -1;
    }
    while ((n = unpack_read(u, buf, piece, e)) > 0)
        for (ssize_t i = 0; i < n; i++, all++)
            assert_true(buf[i] >= '0' && buf[i] <= '9');
    assert_int_equal(unpack_read(u, buf, piece, e), 0);
    free(buf);
    return n < 0 ? -1 : all;
}

static int seed_open(const char *file)
{
    char path[512];
    int fd;

    snprintf(path, sizeof path, "%s/%s", SEEDS, file);
    fd = open(path, O_RDONLY);
    if (fd < 0)
        fail_msg("%s: %s", path, strerror(errno));
    return fd;
}

static void every_seed_is_what_it_is(void **state UNUSED)
{
    static const size_t pieces[] = { 1, 7, 100000 };
    struct error e;

    for (size_t i = 0; i < COUNT(files); i++)
        for (size_t k = 0; k < COUNT(pieces); k++) {
            int fd = seed_open(files[i].file);
            int64_t got = unpack_all(format_of(files[i].file), fd, pieces[k], &e);

            close(fd);
            if (got < 0 && files[i].size >= 0)
                fail_msg("%s: %s", files[i].file, e.message);
            CHECK_CASE(files[i].file, got == files[i].size);
            if (got < 0 && e.kind != files[i].kind)
                fail_msg("%s: %s", files[i].file, e.message);
            if (got < 0 && files[i].says && !strstr(e.message, files[i].says))
                fail_msg("%s: %s", files[i].file, e.message);
        }
}

static void formats_are_told_by_their_first_bytes(void **state UNUSED)
{
    char head[UNPACK_HEAD];

    for (size_t i = 0; i < COUNT(files); i++) {
        int fd = seed_open(files[i].file);
        ssize_t n = pread(fd, head, sizeof head, 0);

        close(fd);
        if (!str_eq(files[i].file, "zip-none")) /* it begins with its end */
            CHECK_CASE(files[i].file, str_eq(unpack_format(head, (size_t)n), format_of(files[i].file)));
    }
    assert_null(unpack_format("0123456789", 8));
    assert_null(unpack_format("PK\3", 3));
    assert_null(unpack_format("", 0));
    assert_true(unpack_is_foreign("\x1f\x00-lh5-\0", 8));
    assert_false(unpack_is_foreign("\x1f\x00-l", 4));
}

/* ---- larger ones ---- */

struct made {
    uint8_t *data;
    size_t n;
};

static struct made make_gzip(const uint8_t *data, size_t n)
{
    struct made m = { malloc(n + n / 100 + 1000), 0 };
    z_stream z = { .next_in = (uint8_t *)data, .avail_in = (uInt)n };

    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_out = m.data;
    z.avail_out = (uInt)(n + n / 100 + 1000);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    m.n = z.total_out;
    deflateEnd(&z);
    return m;
}

static struct made make_xz(const uint8_t *data, size_t n)
{
    size_t cap = lzma_stream_buffer_bound(n);
    struct made m = { malloc(cap), 0 };

    assert_int_equal(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC64, NULL, data, n, m.data, &m.n, cap), LZMA_OK);
    return m;
}

static struct made make_zstd(const uint8_t *data, size_t n)
{
    size_t cap = ZSTD_compressBound(n);
    struct made m = { malloc(cap), 0 };

    m.n = ZSTD_compress(m.data, cap, data, n, 1);
    assert_false(ZSTD_isError(m.n));
    return m;
}

static int in_a_file(const void *data, size_t n)
{
    int fd = memfd_create("unpack", MFD_CLOEXEC);

    assert_int_equal(write(fd, data, n), n);
    return fd;
}

static void holds(const char *format, const struct made *m, const uint8_t *data, size_t n)
{
    CLEANUP(unpack_close) struct unpack *u = NULL;
    int fd = in_a_file(m->data, m->n);
    uint8_t *buf = malloc(300000);
    size_t at = 0;
    struct error e;
    ssize_t got;

    if (unpack_open(format, fd, MEMORY, &u, &e) < 0)
        fail_msg("%s", e.message);
    while ((got = unpack_read(u, buf, 300000, &e)) > 0) {
        assert_true((size_t)got <= n - at);
        assert_memory_equal(buf, data + at, (size_t)got);
        at += (size_t)got;
    }
    assert_int_equal(got, 0);
    assert_int_equal(at, n);
    assert_int_equal(unpack_taken(u), m->n);
    free(buf);
    close(fd);
}

static void many_buffers(void **state UNUSED)
{
    static const struct {
        const char *format;
        struct made (*make)(const uint8_t *data, size_t n);
    } makers[] = { { "gzip", make_gzip }, { "xz", make_xz }, { "zstd", make_zstd } };
    const size_t n = 3000017;
    uint8_t *data = malloc(n);

    for (size_t i = 0; i < n; i++)
        data[i] = (uint8_t)((i * 2654435761u >> 13) & (i < n / 2 ? 0xff : 3));
    for (size_t i = 0; i < COUNT(makers); i++) {
        struct made m = makers[i].make(data, n);

        holds(makers[i].format, &m, data, n);
        for (size_t cut = 1; cut < 9; cut++) { /* whatever is missing at the end is missed */
            int fd = in_a_file(m.data, m.n - cut);
            struct error e;
            CLEANUP(unpack_close) struct unpack *u = NULL;
            ssize_t got = 1;

            assert_int_equal(unpack_open(makers[i].format, fd, MEMORY, &u, &e), 0);
            while (got > 0)
                got = unpack_read(u, data, n, &e);
            assert_int_equal(got, -1);
            assert_int_equal(e.kind, ERROR_MEDIA);
            close(fd);
            for (size_t k = 0; k < n; k++)
                data[k] = (uint8_t)((k * 2654435761u >> 13) & (k < n / 2 ? 0xff : 3));
        }
        free(m.data);
    }
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_seed_is_what_it_is),
        cmocka_unit_test(formats_are_told_by_their_first_bytes),
        cmocka_unit_test(many_buffers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
