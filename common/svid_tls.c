#include "common/svid_tls.h"

#include <openssl/err.h>
#include <openssl/nid.h>
#include <openssl/pool.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/svid.h"
#include "common/svid_cache.h"

/*
 * The SSL_CTX counts the references: every SSL holds its SSL_CTX, and the last of them frees this
 * struct through the context's ex_data. So the pool outlives the certificates that are in it.
 */
struct svid_tls {
    SSL_CTX *context; /* not held: it owns us */
    enum svid_role role;
    struct svid *svid;
    struct trust_anchors *anchors;
    char *trust_domain;
    uint8_t *alpn;
    unsigned alpn_len;
    CRYPTO_BUFFER_POOL *pool; /* one copy of a peer's chain, however many connections it has */
    struct svid_cache *cache;
};

/* The library counts the references with atomics that ThreadSanitizer, which it was not built with,
 * does not see: it is told here that what a holder did comes before the end. */
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#define TOLD_DROP(tls) __tsan_release(tls)
#define TOLD_END(tls)  __tsan_acquire(tls)
#else
#define TOLD_DROP(tls) (void)(tls)
#define TOLD_END(tls)  (void)(tls)
#endif

/* Slots in the library's per-object storage; they are process-wide there and made once. */
struct ex_slots {
    int tls;  /* of an SSL_CTX: struct svid_tls */
    int peer; /* of an SSL: struct svid_peer */
};

static void free_tls(void *parent, void *pointer, CRYPTO_EX_DATA *data, int slot, long argl,
                     void *argp)
{
    (void)parent, (void)data, (void)slot, (void)argl, (void)argp;
    struct svid_tls *tls = pointer;
    if (!tls)
        return;
    TOLD_END(tls);
    svid_cache_free(tls->cache);
    CRYPTO_BUFFER_POOL_free(tls->pool);
    svid_drop(tls->svid);
    trust_anchors_drop(tls->anchors);
    free(tls->trust_domain);
    free(tls->alpn);
    free(tls);
}

static struct ex_slots made_slots;

static void make_slots(void)
{
    made_slots.tls = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_tls);
    made_slots.peer = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

static struct ex_slots slots(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_slots);
    return made_slots;
}

static uint8_t alert_of(enum svid_verdict verdict)
{
    switch (verdict) {
    case SVID_EXPIRED:
    case SVID_NOT_YET_VALID:
        return SSL_AD_CERTIFICATE_EXPIRED;
    case SVID_UNKNOWN_SIGNER:
    case SVID_FOREIGN_DOMAIN:
        return SSL_AD_UNKNOWN_CA;
    case SVID_WRONG_IDENTITY:
        return SSL_AD_ACCESS_DENIED;
    default:
        return SSL_AD_BAD_CERTIFICATE;
    }
}

/* From the cache, or by looking at it all and remembering what was good. */
static enum svid_verdict judge(struct svid_tls *tls, const struct slice *chain, size_t n,
                               struct svid_claim *claim, struct err *err)
{
    uint8_t hash[SVID_CACHE_HASH_BYTES];
    int64_t now_sec = clock_wall_sec();
    svid_cache_hash(chain, n, hash);
    if (svid_cache_get(tls->cache, hash, now_sec, claim))
        return SVID_OK;
    enum svid_verdict verdict = svid_verify_claim(
        chain, n, tls->anchors, slice_str(tls->trust_domain), now_sec, claim, err);
    if (verdict == SVID_OK)
        svid_cache_put(tls->cache, hash, claim);
    return verdict;
}

static enum ssl_verify_result_t on_verify(SSL *ssl, uint8_t *alert)
{
    struct svid_tls *tls = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), slots().tls);
    struct svid_peer *peer = SSL_get_ex_data(ssl, slots().peer);
    const STACK_OF(CRYPTO_BUFFER) *sent = SSL_get0_peer_certificates(ssl);
    struct slice chain[SVID_CHAIN_MAX + 1];
    struct svid_claim claim;
    size_t n = 0;
    /* One more than is allowed is enough for the verdict on too many. */
    for (; sent && n < sk_CRYPTO_BUFFER_num(sent) && n <= SVID_CHAIN_MAX; n++) {
        const CRYPTO_BUFFER *cert = sk_CRYPTO_BUFFER_value(sent, n);
        chain[n] = slice_of(CRYPTO_BUFFER_data(cert), CRYPTO_BUFFER_len(cert));
    }
    peer->verdict = judge(tls, chain, n, &claim, &peer->err);
    if (peer->verdict == SVID_OK)
        peer->verdict = svid_verify_expected(claim.id, peer->expected, &peer->err);
    if (peer->verdict != SVID_OK) {
        *alert = alert_of(peer->verdict);
        return ssl_verify_invalid;
    }
    free(peer->id);
    peer->id = strdup(claim.id);
    peer->not_after = claim.leaf_not_after;
    *alert = SSL_AD_INTERNAL_ERROR;
    return peer->id ? ssl_verify_ok : ssl_verify_invalid;
}

static int on_alpn(SSL *ssl, const uint8_t **out, uint8_t *out_len, const uint8_t *offered,
                   unsigned offered_len, void *arg)
{
    (void)ssl;
    const struct svid_tls *tls = arg;
    int found = SSL_select_next_proto((uint8_t **)out, out_len, tls->alpn, tls->alpn_len, offered,
                                      offered_len);
    return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* P-256 is last, for gRPC's own C core, which knows no other when it is built with OpenSSL. */
static bool set_groups(SSL_CTX *context)
{
#ifdef SSL_GROUP_X25519_MLKEM768
    static const uint16_t groups[] = {SSL_GROUP_X25519_MLKEM768, SSL_GROUP_X25519,
                                      SSL_GROUP_SECP256R1};
    return SSL_CTX_set1_group_ids(context, groups, sizeof(groups) / sizeof(groups[0])) == 1;
#else
    static const int groups[] = {NID_X25519, NID_X9_62_prime256v1};
    return SSL_CTX_set1_curves(context, groups, sizeof(groups) / sizeof(groups[0])) == 1;
#endif
}

/* What is the same for every role. */
static bool set_protocol(SSL_CTX *context)
{
    static const uint16_t signatures[] = {SSL_SIGN_ED25519, SSL_SIGN_ECDSA_SECP256R1_SHA256};
    const size_t n = sizeof(signatures) / sizeof(signatures[0]);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    /* The library does not verify again when a server resumes a session: no tickets, no resumption.
     */
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    SSL_CTX_set_early_data_enabled(context, 0);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_num_tickets(context, 0) == 1 && set_groups(context) &&
           /* Ed25519 is not among the library's defaults. */
           SSL_CTX_set_signing_algorithm_prefs(context, signatures, n) == 1 &&
           SSL_CTX_set_verify_algorithm_prefs(context, signatures, n) == 1;
}

static bool set_alpn(struct svid_tls *tls)
{
    if (tls->alpn_len == 0)
        return true;
    if (tls->role == SVID_CLIENT) /* This one function returns zero on success. */
        return SSL_CTX_set_alpn_protos(tls->context, tls->alpn, tls->alpn_len) == 0;
    SSL_CTX_set_alpn_select_cb(tls->context, on_alpn, tls);
    return true;
}

static bool set_context(struct svid_tls *tls)
{
    int mode = SSL_VERIFY_PEER;
    if (tls->role == SVID_SERVER)
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_custom_verify(tls->context, mode, on_verify);
    SSL_CTX_set0_buffer_pool(tls->context, tls->pool);
    return set_protocol(tls->context) && set_alpn(tls) &&
           (!tls->svid || svid_use(tls->svid, tls->context));
}

/* Copies and holds what the context needs; what was got is freed with it. */
static bool fill(struct svid_tls *tls, enum svid_role role, struct svid *svid,
                 struct trust_anchors *anchors, struct slice trust_domain, struct slice alpn)
{
    tls->role = role;
    tls->svid = svid ? svid_hold(svid) : NULL;
    tls->anchors = trust_anchors_hold(anchors ? anchors : svid_anchors(svid));
    tls->trust_domain = strndup(trust_domain.ptr, trust_domain.len);
    tls->alpn = malloc(alpn.len ? alpn.len : 1);
    tls->pool = CRYPTO_BUFFER_POOL_new();
    tls->cache = svid_cache_new();
    if (!tls->trust_domain || !tls->alpn || !tls->pool || !tls->cache)
        return false;
    if (alpn.len)
        memcpy(tls->alpn, alpn.ptr, alpn.len);
    tls->alpn_len = (unsigned)alpn.len;
    return true;
}

static bool check_arguments(enum svid_role role, const struct svid *svid,
                            const struct trust_anchors *anchors, struct slice trust_domain,
                            struct slice alpn, struct err *err)
{
    if (!svid && role != SVID_CLIENT)
        return err_set(err, "a TLS server needs a certificate");
    if (!svid && !anchors)
        return err_set(err, "a TLS client needs trust anchors");
    if (!spiffe_trust_domain_ok(trust_domain))
        return err_set(err, "\"%.*s\" is no trust domain", SLICE_ARG(trust_domain));
    for (size_t at = 0; at < alpn.len;) {
        size_t name_len = (uint8_t)alpn.ptr[at];
        if (name_len == 0 || name_len > alpn.len - at - 1)
            return err_set(err, "the ALPN list is not in wire format");
        at += 1 + name_len;
    }
    return alpn.len <= UINT16_MAX || err_set(err, "the ALPN list is too long");
}

struct svid_tls *svid_tls_new(enum svid_role role, struct svid *svid, struct trust_anchors *anchors,
                              struct slice trust_domain, struct slice alpn, struct err *err)
{
    if (!check_arguments(role, svid, anchors, trust_domain, alpn, err))
        return NULL;
    struct svid_tls *tls = calloc(1, sizeof(*tls));
    SSL_CTX *context = SSL_CTX_new(TLS_with_buffers_method());
    if (!tls || !context || slots().tls < 0 || slots().peer < 0 ||
        SSL_CTX_set_ex_data(context, slots().tls, tls) != 1) {
        free(tls);
        SSL_CTX_free(context);
        err_set(err, "out of memory");
        return NULL;
    }
    tls->context = context;
    if (!fill(tls, role, svid, anchors, trust_domain, alpn) || !set_context(tls)) {
        uint32_t reason = ERR_peek_last_error();
        err_set(err, "TLS context: %s", reason ? ERR_reason_error_string(reason) : "out of memory");
        ERR_clear_error();
        SSL_CTX_free(context);
        return NULL;
    }
    return tls;
}

struct svid_tls *svid_tls_hold(struct svid_tls *tls)
{
    SSL_CTX_up_ref(tls->context);
    return tls;
}

void svid_tls_drop(struct svid_tls *tls)
{
    if (!tls)
        return;
    SSL_CTX *context = tls->context;
    TOLD_DROP(tls); /* what follows may be its end, here or in another thread */
    SSL_CTX_free(context);
}

void svid_peer_fini(struct svid_peer *peer)
{
    free(peer->id);
    peer->id = NULL;
}

SSL *svid_tls_start(struct svid_tls *tls, struct svid_peer *peer)
{
    SSL *ssl = SSL_new(tls->context);
    if (!ssl || SSL_set_ex_data(ssl, slots().peer, peer) != 1) {
        SSL_free(ssl);
        return NULL;
    }
    peer->verdict = SVID_NO_CERTIFICATE;
    err_set(&peer->err, "the peer has sent no certificate");
    /* What only the handshake needs goes when it is over; most connections are idle. */
    SSL_set_shed_handshake_config(ssl, 1);
    if (tls->role == SVID_CLIENT)
        SSL_set_connect_state(ssl);
    else
        SSL_set_accept_state(ssl);
    return ssl;
}
