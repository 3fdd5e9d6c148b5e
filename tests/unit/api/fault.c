/* SPDX-License-Identifier: Apache-2.0 */
#include "service.h"

#include <string.h>

static const struct {
    const char *accept, *type, *body;
} rows[] = {
    { NULL, "text/plain; charset=UTF-8",
      "404 Not Found\n\nNo image found with ID \"\"\n\n   " }, /* what looks like a tag is lost */
    { "text/plain", "text/plain; charset=UTF-8", "404 Not Found\n\nNo image found with ID \"\"\n\n   " },
    { "application/json", "application/json",
      "{\"message\": \"No image found with ID \\\"<b>\\\"<br /><br />\\n\\n\\n\", \"code\": \"404 Not "
      "Found\", \"title\": \"Not Found\"}" },
    { "*/*", "text/html; charset=UTF-8",
      "<html>\n <head>\n  <title>404 Not Found</title>\n </head>\n <body>\n  <h1>404 Not Found</h1>\n  No "
      "image found with ID "
      "&quot;&lt;b&gt;&quot;<br /><br />\n\n\n\n </body>\n</html>" },
};

static void three_forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct call c = { .target = "/v2/images/%22%3Cb%3E%22", .roles = "reader", .accept = rows[i].accept };
        CLEANUP(loopback_done) struct loopback_answer a;

        service_call(&service, &c, &a);
        assert_int_equal(a.status, 404);
        assert_string_equal(loopback_header(&a, "Content-Type"), rows[i].type);
        assert_string_equal(str_text(&a.body), rows[i].body);
    }
}

static void texts_of_a_method_and_of_a_media_type(void **state)
{
    struct call method = {
        .method = "PUT", .target = "/v2/images", .roles = "member", .accept = "application/json"
    };
    struct call type = { .method = "PATCH",
                         .target = "/v2/images/x",
                         .roles = "member",
                         .accept = "application/json",
                         .type = "a/b",
                         .body = "[]" };
    CLEANUP(loopback_done) struct loopback_answer a, b;

    (void)state;
    service_call(&service, &method, &a);
    assert_string_equal(str_text(&a.body),
                        "{\"message\": \"The method PUT is not allowed for this resource. <br /><br />\\n\", "
                        "\"code\": \"405 Method Not Allowed\", \"title\": \"Method Not Allowed\"}");
    service_call(&service, &type, &b);
    assert_int_equal(b.status, 415);
    assert_string_equal(
        str_text(&b.body),
        "{\"message\": \"The request media type a/b is not supported by this server.\\n<br /><br />\\n"
        "Image PATCH expects Content-Type one of: application/openstack-images-v2.0-json-patch, "
        "application/openstack-images-v2.1-json-patch\", \"code\": \"415 Unsupported Media Type\", "
        "\"title\": \"Unsupported Media Type\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_forms),
        cmocka_unit_test(texts_of_a_method_and_of_a_media_type),
    };

    return SERVICE_RUN(tests, true, NULL);
}
