/* SPDX-License-Identifier: Apache-2.0 */
#include "service.h"

#include <stdio.h>
#include <string.h>

#define ID  "00000000-0000-4000-8000-00000000010"
#define RAW "\"disk_format\": \"raw\", \"container_format\": \"bare\""
static const char octets[] = "application/octet-stream";

static int put(const char *id, const char *type, const char *body, bool chunked)
{
    char target[128];
    struct call c = { .method = "PUT", .target = target, .type = type, .body = body, .chunked = chunked };

    snprintf(target, sizeof target, "/v2/images/%s/file", id);
    return service_status(&service, &c);
}

static void get(const char *id, const char *range, struct loopback_answer *ret)
{
    char target[128];
    struct call c = { .target = target, .range = range };

    snprintf(target, sizeof target, "/v2/images/%s/file", id);
    service_call(&service, &c, ret);
}

static void show(const char *id, struct loopback_answer *ret)
{
    char target[128];
    struct call c = { .target = target };

    snprintf(target, sizeof target, "/v2/images/%s", id);
    service_call(&service, &c, ret);
}

static void up_and_down(void **state)
{
    CLEANUP(loopback_done) struct loopback_answer none, whole, doc;

    (void)state;
    service_create(&service, ID "1", RAW);
    get(ID "1", NULL, &none);
    assert_int_equal(none.status, 204);
    assert_int_equal(put(ID "1", "text/plain", "0123456789", false), 415);
    assert_int_equal(put(ID "1", octets, "0123456789", true), 204);
    assert_int_equal(put(ID "1", octets, "0123456789", false), 409);
    get(ID "1", NULL, &whole);
    assert_int_equal(whole.status, 200);
    assert_true(whole.complete);
    assert_string_equal(str_text(&whole.body), "0123456789");
    assert_string_equal(loopback_header(&whole, "Content-MD5"), "781e5e245d69b566979b86e28d23f2c7");
    show(ID "1", &doc);
    assert_non_null(strstr(str_text(&doc.body), "\"status\": \"active\""));
    assert_non_null(strstr(str_text(&doc.body), "\"size\": 10, \"virtual_size\": 10"));
    assert_non_null(strstr(str_text(&doc.body), "\"os_hash_algo\": \"sha512\""));
}

static const struct {
    const char *range;
    int status;
    const char *body, *content_range;
} ranges[] = {
    { "bytes=0-0", 206, "0", "bytes 0-0/10" },
    { "bytes=3-", 206, "3456789", "bytes 3-9/10" },
    { "bytes=-4", 206, "6789", "bytes 6-9/10" },
    { "bytes=5-99", 206, "56789", "bytes 5-9/10" },
    { "bytes=10-", 416, NULL, NULL },
    { "bytes=5-2", 416, NULL, NULL },
    { "nonsense", 416, NULL, NULL },
    { "bytes=0-1,3-4", 400, NULL, NULL },
};

static void parts(void **state)
{
    (void)state;
    service_create(&service, ID "2", RAW);
    assert_int_equal(put(ID "2", octets, "0123456789", false), 204);
    for (size_t i = 0; i < COUNT(ranges); i++) {
        CLEANUP(loopback_done) struct loopback_answer a;

        get(ID "2", ranges[i].range, &a);
        CHECK_CASE(ranges[i].range, a.status == ranges[i].status);
        if (ranges[i].body) {
            assert_string_equal(str_text(&a.body), ranges[i].body);
            assert_string_equal(loopback_header(&a, "Content-Range"), ranges[i].content_range);
        }
    }
}

static void an_aborted_upload_leaves_the_image_queued(void **state)
{
    struct http_header headers[] = { { "Content-Type", octets } };
    struct loopback_request rq = { .method = "PUT",
                                   .target = "/v2/images/" ID "3/file",
                                   .headers = headers,
                                   .n_headers = 1,
                                   .body = "0123456789",
                                   .body_len = 10,
                                   .read_fails = true,
                                   .read_fails_after = 4 };
    CLEANUP(loopback_done) struct loopback_answer broken, doc;

    (void)state;
    service_create(&service, ID "3", RAW);
    loopback_run(&service.http, &rq, &broken);
    show(ID "3", &doc);
    assert_non_null(strstr(str_text(&doc.body), "\"status\": \"queued\""));
    assert_non_null(strstr(str_text(&doc.body), "\"size\": null"));
    assert_int_equal(put(ID "3", octets, "0123456789", false), 204);
}

static void content_that_is_not_what_it_claims(void **state)
{
    CLEANUP(loopback_done) struct loopback_answer doc;

    (void)state;
    service_create(&service, ID "4", "\"disk_format\": \"qcow2\", \"container_format\": \"bare\"");
    assert_int_equal(put(ID "4", octets, "0123456789", false), 415);
    show(ID "4", &doc);
    assert_non_null(strstr(str_text(&doc.body), "\"checksum\": null"));
    assert_non_null(strstr(str_text(&doc.body), "\"status\": \"queued\""));
    service_create(&service, ID "5", "\"disk_format\": \"qcow2\"");
    assert_int_equal(put(ID "5", octets, "0123456789", false), 400);
}

static void too_large(void **state)
{
    (void)state;
    service_create(&service, ID "6", RAW);
    assert_int_equal(put(ID "6", octets, "0123456789012345678901234567890123456789", true), 413);
    assert_int_equal(put(ID "6", octets, "0123456789012345678901234567890123456789", false), 413);
    assert_int_equal(put(ID "6", octets, "01234567890123456789012345678901", true), 204);
}

int main(void)
{
    static const char *const overrides[] = { "DEFAULT.image_size_cap=32", NULL };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(up_and_down),
        cmocka_unit_test(parts),
        cmocka_unit_test(an_aborted_upload_leaves_the_image_queued),
        cmocka_unit_test(content_that_is_not_what_it_claims),
        cmocka_unit_test(too_large),
    };

    return SERVICE_RUN(tests, false, overrides);
}
