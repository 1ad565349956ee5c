/*
 * What the two programs of the gRPC interop tests share: name=value arguments and a TLS context
 * made from PEM files.
 */
#ifndef OUTRIGGER_TEST_PROGRAMS_GRPC_ARGS_H
#define OUTRIGGER_TEST_PROGRAMS_GRPC_ARGS_H

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/slice.h"
#include "common/svid.h"

#define GRPC_TEST_MAX_CHAIN 4

static inline const char *grpc_args_text(int argc, char **argv, const char *name)
{
    size_t len = strlen(name);
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], name, len) == 0 && argv[i][len] == '=')
            return argv[i] + len + 1;
    return NULL;
}

/* 0 without one. */
static inline uint64_t grpc_args_number(int argc, char **argv, const char *name)
{
    const char *text = grpc_args_text(argc, argv, name);
    return text ? strtoull(text, NULL, 10) : 0;
}

struct grpc_test_tls {
    struct svid_tls *context; /* NULL: plaintext */
};

/* For the options of channel and server. */
static inline struct svid_tls *grpc_test_tls_hold(void *context)
{
    return svid_tls_hold(((struct grpc_test_tls *)context)->context);
}

static inline struct trust_anchors *grpc_test_anchors(const char *path, struct err *err)
{
    char pem[65536];
    FILE *file = fopen(path, "r");
    size_t len = file ? fread(pem, 1, sizeof(pem), file) : 0;
    if (file)
        fclose(file);
    return trust_anchors_from_pem(slice_of(pem, len), err);
}

static inline struct svid *grpc_test_svid(const char *chain_path, const char *key_path,
                                          struct trust_anchors *anchors, struct err *err)
{
    struct slice ders[GRPC_TEST_MAX_CHAIN];
    size_t n = 0;
    unsigned char *name_less = NULL;
    struct svid *svid = NULL;
    FILE *chain = fopen(chain_path, "r"), *key_file = fopen(key_path, "r");
    EVP_PKEY *key = key_file ? PEM_read_PrivateKey(key_file, NULL, NULL, NULL) : NULL;
    X509 *cert;
    while (chain && n < GRPC_TEST_MAX_CHAIN && (cert = PEM_read_X509(chain, NULL, NULL, NULL))) {
        name_less = NULL;
        int len = i2d_X509(cert, &name_less);
        X509_free(cert);
        if (len > 0)
            ders[n++] = slice_of(name_less, (size_t)len);
    }
    if (key && n)
        svid = svid_new(ders, n, key, anchors, err);
    else
        err_set(err, "cannot read %s or %s", chain_path, key_path);
    for (size_t i = 0; i < n; i++)
        OPENSSL_free((void *)(uintptr_t)ders[i].ptr);
    EVP_PKEY_free(key);
    if (chain)
        fclose(chain);
    if (key_file)
        fclose(key_file);
    return svid;
}

/* From the arguments chain, key, anchors and domain; none of them: no TLS. */
static inline bool grpc_args_tls(int argc, char **argv, enum svid_role role,
                                 struct grpc_test_tls *tls, struct err *err)
{
    const char *chain = grpc_args_text(argc, argv, "chain");
    const char *anchors_path = grpc_args_text(argc, argv, "anchors");
    struct svid *svid = NULL;
    tls->context = NULL;
    if (!anchors_path)
        return true;
    struct trust_anchors *anchors = grpc_test_anchors(anchors_path, err);
    if (anchors && chain)
        svid = grpc_test_svid(chain, grpc_args_text(argc, argv, "key"), anchors, err);
    if (anchors && (svid || !chain))
        tls->context =
            svid_tls_new(role, svid, anchors, slice_str(grpc_args_text(argc, argv, "domain")),
                         SLICE_LITERAL("\x02h2"), err);
    svid_drop(svid);
    trust_anchors_drop(anchors);
    return tls->context != NULL;
}

#endif
