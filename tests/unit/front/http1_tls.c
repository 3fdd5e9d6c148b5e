/* SPDX-License-Identifier: Apache-2.0 */
#include "http1_fixture.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

static void write_certificate(const char *cert, const char *key)
{
    EVP_PKEY *pkey = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    X509_NAME *name;
    FILE *f;

    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), 0);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, pkey);
    name = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0);
    X509_set_issuer_name(x, name);
    assert_true(X509_sign(x, pkey, EVP_sha256()) > 0);
    f = fopen(cert, "w");
    assert_int_equal(PEM_write_X509(f, x), 1);
    fclose(f);
    f = fopen(key, "w");
    assert_int_equal(PEM_write_PrivateKey(f, pkey, NULL, NULL, 0, NULL, NULL), 1);
    fclose(f);
    X509_free(x);
    EVP_PKEY_free(pkey);
}

static void tls_ask(SSL_CTX *ctx, const char *request, size_t more, struct str *out)
{
    static char piece[16 * 1024];
    SSL *ssl = SSL_new(ctx);
    int fd = dial(), n;
    char buf[16 * 1024];

    str_clear(out);
    SSL_set_fd(ssl, fd);
    assert_int_equal(SSL_connect(ssl), 1);
    assert_int_equal(SSL_write(ssl, request, (int)strlen(request)), strlen(request));
    for (; more > 0; more -= sizeof piece)
        assert_int_equal(SSL_write(ssl, piece, sizeof piece), sizeof piece);
    while ((n = SSL_read(ssl, buf, sizeof buf)) > 0)
        str_addn(out, buf, (size_t)n);
    assert_int_equal(SSL_get_error(ssl, n), SSL_ERROR_ZERO_RETURN);
    SSL_shutdown(ssl);
    SSL_free(ssl);
    close(fd);
}

static void speaks_tls(void **state)
{
    char cert[96], key[96];
    CLEANUP(str_done) struct str out = STR_INIT;
    struct http1_options o = { .tls_cert_file = cert,
                               .tls_key_file = key,
                               .head_timeout_us = CLOCK_SECOND / 2 };
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    struct error e;
    int fd;

    (void)state;
    stop();
    snprintf(cert, sizeof cert, "%s/cert", t.dir);
    snprintf(key, sizeof key, "%s/key", t.dir);
    write_certificate(cert, key);
    start(&o);
    tls_ask(ctx, "GET /who HTTP/1.1\r\n" LAST "\r\n", 0, &out);
    assert_string_equal(body_of(&out), "https h 127.0.0.1 - -");
    tls_ask(ctx,
            "GET / HTTP/1.1\r\n" H "\r\nGET /worker HTTP/1.1\r\n" H "\r\nGET /who HTTP/1.1\r\n" LAST "\r\n",
            0, &out);
    assert_non_null(strstr(out.data, "https h"));
    tls_ask(ctx, "GET /file HTTP/1.1\r\n" LAST "\r\n", 0, &out);
    assert_int_equal(out.len - (size_t)(body_of(&out) - out.data), FILE_SIZE);
    check_file(body_of(&out));
    tls_ask(ctx, "PUT /count HTTP/1.1\r\n" LAST "Content-Length: 4194304\r\n\r\n", 4194304, &out);
    assert_string_equal(body_of(&out), "4194304");
    write_certificate(cert, key);
    t.options.tls_cert_file = NULL;
    assert_int_equal(http1_reload(t.http, &t.options, &e), -1);
    t.options.tls_cert_file = t.file;
    assert_int_equal(http1_reload(t.http, &t.options, &e), -1);
    t.options.tls_cert_file = cert;
    assert_int_equal(http1_reload(t.http, &t.options, &e), 0);
    tls_ask(ctx, "GET / HTTP/1.1\r\n" LAST "\r\n", 0, &out);
    assert_string_equal(body_of(&out), "hello");
    SSL_CTX_set_max_proto_version(ctx, TLS1_1_VERSION);
    fd = dial();
    say(fd, "GET / HTTP/1.1\r\n" H "\r\n"); /* not TLS at all: some alert, and the end */
    (void)hear_all(fd, &out);
    close(fd);
    fd = dial(); /* a handshake that never comes */
    assert_true(is_closed(fd));
    close(fd);
    SSL_CTX_free(ctx);
    unlink(cert);
    unlink(key);
}

static SSL *slow_reader(SSL_CTX *ctx)
{
    static const char request[] = "GET /file HTTP/1.1\r\n" LAST "\r\n";
    SSL *ssl = SSL_new(ctx);

    SSL_set_fd(ssl, dial_slow());
    assert_int_equal(SSL_connect(ssl), 1);
    assert_int_equal(SSL_write(ssl, request, sizeof request - 1), sizeof request - 1);
    return ssl;
}

static void drop(SSL *ssl)
{
    int fd = SSL_get_fd(ssl);

    SSL_free(ssl);
    close(fd);
}

static void read_all(SSL *ssl)
{
    CLEANUP(str_done) struct str out = STR_INIT;
    char buf[16 * 1024];
    int n;

    while ((n = SSL_read(ssl, buf, sizeof buf)) > 0)
        str_addn(&out, buf, (size_t)n);
    assert_int_equal(SSL_get_error(ssl, n), SSL_ERROR_ZERO_RETURN);
    assert_int_equal(out.len - (size_t)(body_of(&out) - out.data), FILE_SIZE);
    check_file(body_of(&out));
    drop(ssl);
}

/* Twice as many as there are threads; some vanish, the others read on after a reload, and one never ends. */
static void files_wait_for_their_readers(void **state UNUSED)
{
    char cert[96], key[96];
    CLEANUP(str_done) struct str out = STR_INIT;
    struct http1_options o = { .tls_cert_file = cert, .tls_key_file = key, .transfers_max = 4 };
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    struct error e;
    SSL *readers[8];

    stop();
    snprintf(cert, sizeof cert, "%s/cert", t.dir);
    snprintf(key, sizeof key, "%s/key", t.dir);
    write_certificate(cert, key);
    start(&o);
    for (size_t i = 0; i < COUNT(readers); i++)
        readers[i] = slow_reader(ctx);
    eventually(&t.deferred, COUNT(readers));
    tls_ask(ctx, "GET /who HTTP/1.1\r\n" LAST "\r\n", 0, &out);
    assert_string_equal(body_of(&out), "https h 127.0.0.1 - -");
    drop(readers[0]);
    drop(readers[1]);
    eventually(&t.cut, 2);
    write_certificate(cert, key);
    assert_int_equal(http1_reload(t.http, &t.options, &e), 0);
    for (size_t i = 2; i < COUNT(readers); i++)
        read_all(readers[i]);
    eventually(&t.whole, COUNT(readers) - 2);
    readers[0] = slow_reader(ctx);
    eventually(&t.deferred, COUNT(readers) + 1);
    assert_int_equal(http1_stop(TAKE(t.http), CLOCK_SECOND / 10), 1);
    assert_int_equal(t.cut, 3);
    drop(readers[0]);
    SSL_CTX_free(ctx);
    unlink(cert);
    unlink(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(speaks_tls, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_wait_for_their_readers, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("front-http1-tls", tests, set_up_all, tear_down_all);
}
