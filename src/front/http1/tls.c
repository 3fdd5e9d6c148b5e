/* SPDX-License-Identifier: Apache-2.0 */
#include "front/http1/http1_private.h"

#include <openssl/err.h>
#include <string.h>

/* The first OpenSSL error as the detail: later ones only repeat it. */
static int fail(struct error *e, const char *what, const char *file)
{
    char text[256];

    ERR_error_string_n(ERR_peek_error(), text, sizeof text);
    ERR_clear_error();
    error_set(e, ERROR_INVALID, "%s %s", what, file);
    return error_detail(e, "%s", text);
}

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *in, unsigned in_len, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *found;

    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto(&found, out_len, ours, sizeof ours - 1, in, in_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = found;
    return SSL_TLSEXT_ERR_OK;
}

static int set_client_ca(SSL_CTX *ctx, const char *file, struct error *e)
{
    STACK_OF(X509_NAME) * names;

    if (SSL_CTX_load_verify_file(ctx, file) != 1)
        return fail(e, "no usable CA certificate in", file);
    names = SSL_load_client_CA_file(file);
    if (!names)
        return fail(e, "no usable CA certificate in", file);
    SSL_CTX_set_client_CA_list(ctx, names);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return 0;
}

static void free_context(SSL_CTX **ctx)
{
    SSL_CTX_free(*ctx);
}

int tls_open(const struct http1_options *o, SSL_CTX **ret, struct error *e)
{
    static const unsigned char session_context[] = "glint";
    CLEANUP(free_context) SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    const char *key = o->tls_key_file ? o->tls_key_file : o->tls_cert_file;

    if (!ctx)
        return error_set(e, ERROR_INTERNAL, "TLS is not available");
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
    /* Idle connections give their record buffers back; our buffers may move between attempts to write. */
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_id_context(ctx, session_context, sizeof session_context - 1);
    SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(ctx, o->tls_cert_file) != 1)
        return fail(e, "no usable certificate in", o->tls_cert_file);
    if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
        return fail(e, "no usable private key in", key);
    if (SSL_CTX_check_private_key(ctx) != 1)
        return fail(e, "the private key does not belong to the certificate:", key);
    if (o->tls_ca_file && set_client_ca(ctx, o->tls_ca_file, e) < 0)
        return -1;
    *ret = TAKE(ctx);
    return 0;
}
