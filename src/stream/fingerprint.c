/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/stream.h"

#include <openssl/evp.h>

/* Looked up once: a lookup costs more than hashing a short text. */
static EVP_MD *sha256;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fetch(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA2-256", NULL);
}

bool stream_fingerprint(const void *bytes, size_t n, char ret[STREAM_FINGERPRINT_MAX])
{
    unsigned char sum[EVP_MAX_MD_SIZE];

    pthread_once(&once, fetch);
    if (!sha256 || EVP_Digest(bytes, n, sum, NULL, sha256, NULL) != 1)
        return false;
    str_hex(sum, STREAM_FINGERPRINT_MAX / 2, ret);
    return true;
}
