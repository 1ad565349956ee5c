#include "controller/server_identity.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/ed25519.h"
#include "common/jitter.h"
#include "common/log.h"
#include "common/text.h"

#define RETRY_MIN_MS 1000
#define RETRY_MAX_MS 60000
#define RENEW_MIN_MS 1000
#define RENEW_JITTER 5 /* percent: replicas do not all turn over in the same second */
#define TIMER_MAX_SEC                                                                              \
    86400 /* a longer wait is made of several, so that a changed clock is seen                     \
           */
#define SERVER_ALPN SLICE_LITERAL("\x02h2")

struct server_identity {
    struct ca *ca;
    struct event *timer;
    struct svid *svid;
    struct svid_tls *tls;
    int64_t renew_at; /* seconds since the epoch */
    unsigned failures;
};

static struct svid *issue_svid(struct ca *ca, struct err *err)
{
    char id[SPIFFE_ID_MAX_BYTES + 1];
    struct ca_leaf leaf = {0};
    struct svid *svid = NULL;
    EVP_PKEY *key = ed25519_generate();
    if (!key)
        err_set(err, "cannot make a key: out of memory");
    else if (!spiffe_format(id, sizeof(id), slice_str(ca_trust_domain(ca)),
                            SLICE_LITERAL(SERVER_IDENTITY_NAMESPACE),
                            SLICE_LITERAL(SERVER_IDENTITY_ACCOUNT)))
        err_set(err, "the trust domain %s makes no SPIFFE ID", ca_trust_domain(ca));
    else if (ca_issue(ca, key, slice_str(id), &leaf, err)) {
        struct slice der = slice_of(leaf.der, leaf.der_len);
        svid = svid_new(&der, 1, key, ca_anchors(ca), err);
    }
    ca_leaf_fini(&leaf);
    EVP_PKEY_free(key);
    return svid;
}

/* The old one stays in use where this fails. */
static bool renew(struct server_identity *identity, struct err *err)
{
    struct svid *svid = issue_svid(identity->ca, err);
    if (!svid)
        return false;
    struct svid_tls *tls = svid_tls_new(SVID_SERVER_OPTIONAL, svid, NULL,
                                        slice_str(ca_trust_domain(identity->ca)), SERVER_ALPN, err);
    if (!tls) {
        svid_drop(svid);
        return false;
    }
    svid_tls_drop(identity->tls);
    svid_drop(identity->svid);
    identity->tls = tls;
    identity->svid = svid;
    int64_t now_sec = clock_wall_sec();
    int64_t left_sec = svid_not_after(svid) - now_sec;
    identity->renew_at = now_sec + (int64_t)jitter_around((uint64_t)left_sec * 2 / 3, RENEW_JITTER);
    char end[TEXT_TIME_BYTES];
    LOG(LOG_INFO, "server_certificate", LOG_SL("identity", svid_id(svid)->text),
        LOG_S("serial", svid_serial(svid)),
        LOG_S("not_after", text_time(svid_not_after(svid), end)));
    ca_warn_expiry(identity->ca);
    return true;
}

static void arm(struct server_identity *identity)
{
    uint64_t wait_ms;
    int64_t left_sec = identity->renew_at - clock_wall_sec();
    if (identity->failures > 0)
        wait_ms = jitter_backoff(RETRY_MIN_MS, RETRY_MAX_MS, identity->failures - 1);
    else if (left_sec <= 0)
        wait_ms = RENEW_MIN_MS;
    else
        wait_ms = (uint64_t)(left_sec < TIMER_MAX_SEC ? left_sec : TIMER_MAX_SEC) * 1000;
    struct timeval wait = clock_timeval_ms(wait_ms);
    if (event_add(identity->timer, &wait) != 0)
        LOG(LOG_ERROR, "server_certificate_timer_failed", LOG_I("wait_ms", wait_ms));
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    struct server_identity *identity = context;
    struct err err;
    if (clock_wall_sec() >= identity->renew_at) {
        if (renew(identity, &err)) {
            identity->failures = 0;
        } else {
            identity->failures++;
            LOG_LIMITED(LOG_ERROR, "server_certificate_failed", LOG_S("error", err.text),
                        LOG_I("attempt", identity->failures));
        }
    }
    arm(identity);
}

struct server_identity *server_identity_new(struct event_base *base, struct ca *ca, struct err *err)
{
    struct server_identity *identity = calloc(1, sizeof(*identity));
    if (!identity) {
        err_set(err, "out of memory");
        return NULL;
    }
    identity->ca = ca;
    identity->timer = evtimer_new(base, on_timer, identity);
    if (!identity->timer)
        err_set(err, "out of memory");
    if (!identity->timer || !renew(identity, err)) {
        err_prefix(err, "the controller's own certificate");
        server_identity_free(identity);
        return NULL;
    }
    arm(identity);
    return identity;
}

void server_identity_free(struct server_identity *identity)
{
    if (!identity)
        return;
    if (identity->timer)
        event_free(identity->timer);
    svid_tls_drop(identity->tls);
    svid_drop(identity->svid);
    free(identity);
}

struct svid_tls *server_identity_tls(void *context)
{
    struct server_identity *identity = context;
    return svid_tls_hold(identity->tls);
}

const struct svid *server_identity_svid(const struct server_identity *identity)
{
    return identity->svid;
}
