/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "stream/stream.h"

/* Of "abc"; from the algorithms' own standards, blake2 from RFC 7693. */
static const struct {
    const char *algorithm, *hex;
} known[] = {
    { "md5", "900150983cd24fb0d6963f7d28e17f72" },
    { "sha1", "a9993e364706816aba3e25717850c26c9cd0d89d" },
    { "sha224", "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7" },
    { "sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
    { "sha384",
      "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7" },
    { "sha512", "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f" },
    { "sha3_256", "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532" },
    { "blake2b", "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
                 "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923" },
    { "blake2s", "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982" },
};

static void digest_knows_hashlib_names(void **state UNUSED)
{
    for (size_t i = 0; i < COUNT(known); i++) {
        CLEANUP(stream_digest_free) struct stream_digest *d = NULL;
        char md5[33], hash[STREAM_HASH_HEX_MAX];
        struct stream_sink s;
        struct error e;

        CHECK_CASE(known[i].algorithm, stream_digest_begin(known[i].algorithm, &d, &e) == 0);
        s = stream_digest_sink(d);
        CHECK_CASE(known[i].algorithm, s.write(s.arg, "a", 1, &e) == 0 && s.write(s.arg, "bc", 2, &e) == 0);
        CHECK_CASE(known[i].algorithm, stream_digest_end(d, md5, hash, &e) == 0);
        CHECK_CASE(known[i].algorithm, str_eq(md5, known[0].hex) && str_eq(hash, known[i].hex));
    }
}

static const char *const unknown[] = { "sha513", "", "SHA512", "shake_128", "md5 " };

static void digest_refuses_unknown_names(void **state UNUSED)
{
    for (size_t i = 0; i < COUNT(unknown); i++) {
        struct stream_digest *d = NULL;
        struct error e;

        CHECK_CASE(unknown[i], stream_digest_begin(unknown[i], &d, &e) == -1);
        CHECK_CASE(unknown[i], e.kind == ERROR_INTERNAL && !d);
    }
}

static void hash_sizes_are_known(void **state)
{
    (void)state;
    assert_int_equal(stream_hash_size("md5"), 16);
    assert_int_equal(stream_hash_size("sha512"), 64);
    assert_int_equal(stream_hash_size("sha512_256"), 32);
    assert_int_equal(stream_hash_size("nope"), 0);
    assert_int_equal(stream_hash_size(NULL), 0);
}

static void digest_of_nothing(void **state UNUSED)
{
    CLEANUP(stream_digest_free) struct stream_digest *d = NULL;
    char md5[33], hash[STREAM_HASH_HEX_MAX];
    struct error e;

    assert_int_equal(stream_digest_begin("sha1", &d, &e), 0);
    assert_int_equal(stream_digest_end(d, md5, hash, &e), 0);
    assert_string_equal(md5, "d41d8cd98f00b204e9800998ecf8427e");
    assert_string_equal(hash, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
}

/* ---- with helpers: the same bytes, pumped, must hash as in one piece ---- */

enum { SIZE = 11 * STREAM_BUFFER + 12345 };

static unsigned char *data;
static char expected_md5[33], expected_hash[STREAM_HASH_HEX_MAX];

static int setup(void **state UNUSED)
{
    CLEANUP(stream_digest_free) struct stream_digest *d = NULL;
    struct stream_sink s;
    struct error e;

    data = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (unsigned char)(i * 2654435761u >> 11);
    if (stream_digest_begin("sha512", &d, &e) < 0)
        return -1;
    s = stream_digest_sink(d);
    for (size_t at = 0; at < SIZE; at += 1000) /* small pieces never leave the caller's thread */
        if (s.write(s.arg, data + at, SIZE - at < 1000 ? SIZE - at : 1000, &e) < 0)
            return -1;
    return stream_digest_end(d, expected_md5, expected_hash, &e);
}

static int teardown(void **state UNUSED)
{
    free(data);
    return 0;
}

static bool pump_is_right(size_t piece, const char *algorithm)
{
    CLEANUP(stream_digest_free) struct stream_digest *d = NULL;
    struct stream_memory m = { .data = data, .len = SIZE, .piece = piece };
    struct stream_source src = stream_memory_source(&m);
    char md5[33], hash[STREAM_HASH_HEX_MAX];
    struct stream_sink s;
    uint64_t bytes;
    struct error e;

    if (stream_digest_begin(algorithm, &d, &e) < 0)
        return false;
    s = stream_digest_sink(d);
    if (stream_pump(&src, &s, 1, NULL, NULL, &bytes, &e) < 0 || stream_digest_end(d, md5, hash, &e) < 0)
        return false;
    return str_eq(md5, expected_md5) && str_eq(hash, str_eq(algorithm, "md5") ? expected_md5 : expected_hash);
}

static void digest_overlaps_and_stays_right(void **state UNUSED)
{
    assert_true(pump_is_right(0, "sha512"));
    assert_true(pump_is_right(70001, "sha512"));
    assert_true(pump_is_right(0, "md5"));
}

static void *pump_thread(void *arg)
{
    return pump_is_right(0, "sha512") ? arg : NULL;
}

static void digests_run_beside_each_other(void **state UNUSED)
{
    pthread_t threads[6];
    void *ok;

    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, pump_thread, data), 0);
    for (size_t i = 0; i < COUNT(threads); i++) {
        assert_int_equal(pthread_join(threads[i], &ok), 0);
        assert_ptr_equal(ok, data);
    }
}

static void digest_may_be_left_at_any_time(void **state UNUSED)
{
    for (uint64_t at = 0; at < 6 * STREAM_BUFFER; at += STREAM_BUFFER / 2) {
        CLEANUP(stream_digest_free) struct stream_digest *d = NULL;
        struct stream_memory m = { .data = data, .len = SIZE };
        struct stream_fail_at f = { .source = stream_memory_source(&m), .at = at, .kind = ERROR_ABORTED };
        struct stream_source src = stream_fail_at_source(&f);
        struct stream_sink s;
        uint64_t bytes;
        struct error e;

        assert_int_equal(stream_digest_begin("sha512", &d, &e), 0);
        s = stream_digest_sink(d);
        assert_int_equal(stream_pump(&src, &s, 1, NULL, NULL, &bytes, &e), -1);
        assert_int_equal(e.kind, ERROR_ABORTED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digest_knows_hashlib_names),
        cmocka_unit_test(digest_refuses_unknown_names),
        cmocka_unit_test(hash_sizes_are_known),
        cmocka_unit_test(digest_of_nothing),
        cmocka_unit_test(digest_overlaps_and_stays_right),
        cmocka_unit_test(digests_run_beside_each_other),
        cmocka_unit_test(digest_may_be_left_at_any_time),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
