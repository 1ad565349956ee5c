#include "proxy/control/identity.h"

#include <openssl/evp.h>
#include <openssl/mem.h>
#include <stdlib.h>
#include <time.h>

#include "common/clock.h"
#include "common/ed25519.h"
#include "common/file.h"
#include "common/grpc/client.h"
#include "common/jitter.h"
#include "common/log.h"
#include "common/text.h"
#include "proxy/control/certify.h"

#define IDENTITY_CALL_MS         10000
#define IDENTITY_MAX_ANCHORS     (1u << 20) /* bytes of the file */
#define IDENTITY_MAX_MESSAGE     (1u << 20)
#define IDENTITY_MAX_WAIT_MS     60000 /* the wall clock may jump: it is looked at so often */
#define IDENTITY_ANCHOR_WARN_SEC (30 * 24 * 3600)

static const uint8_t identity_alpn[] = {2, 'h', '2'};

struct identity {
    struct identity_settings settings;
    struct event_base *base;
    struct event *timer;

    struct svid *svid;    /* NULL: none, or expired */
    bool is_warned;       /* that this one will expire soon */
    int64_t received_ms;  /* wall clock; when the svid came */
    int64_t renew_at_ms;  /* wall clock; of the svid */
    uint64_t retry_at_ns; /* monotonic; 0: nothing to be tried again */
    unsigned attempt;

    /* While the controller is asked; all NULL else. */
    EVP_PKEY *key;
    struct svid_tls *tls;
    struct grpc_channel *channel;
    struct grpc_call *call; /* NULL once it has ended */
    struct svid *answer;    /* what it brought */
    bool has_answered;
    uint64_t give_up_ns; /* monotonic: when the attempt has taken too long */
    struct err error;    /* of the attempt under way */

    struct err last_error; /* of the last attempt that ended; empty when it was good */
};

static int64_t identity_now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t identity_renewal_ms(int64_t received_ms, int64_t not_after_sec, unsigned jitter)
{
    int64_t lifetime_ms = not_after_sec * 1000 - received_ms;
    int64_t spread_ms = lifetime_ms / 10;
    return received_ms + lifetime_ms * 2 / 3 - spread_ms / 2 + spread_ms * jitter / 1000;
}

/* What it had left when it came: not_before lies back for clocks that are late, so it is no start.
 */
static int64_t identity_lifetime_ms(const struct identity *identity)
{
    return svid_not_after(identity->svid) * 1000 - identity->received_ms;
}

/* ---- one attempt ---- */

static struct svid_tls *identity_tls(void *context)
{
    struct identity *identity = context;
    return svid_tls_hold(identity->tls);
}

/* What an attempt owns. The call is gone with its channel. */
static void identity_end_attempt(struct identity *identity)
{
    grpc_channel_free(identity->channel);
    svid_tls_drop(identity->tls);
    svid_drop(identity->answer);
    EVP_PKEY_free(identity->key);
    identity->channel = NULL;
    identity->call = NULL;
    identity->tls = NULL;
    identity->answer = NULL;
    identity->key = NULL;
    identity->has_answered = false;
}

static void identity_on_message(void *context, struct grpc_call *call, struct slice message)
{
    struct identity *identity = context;
    (void)call;
    svid_drop(identity->answer);
    identity->has_answered = true;
    identity->answer = certify_response(
        message, identity->key, slice_str(identity->settings.trust_domain), &identity->error);
}

static void identity_on_end(void *context, struct grpc_call *call, const struct grpc_status *status)
{
    struct identity *identity = context;
    (void)call;
    identity->call = NULL;
    if (status->code != GRPC_OK) {
        svid_drop(identity->answer);
        identity->answer = NULL;
        err_set(&identity->error, "%s: %.*s", grpc_code_name(status->code),
                SLICE_ARG(status->message));
    } else if (!identity->has_answered) {
        err_set(&identity->error, "the controller answered without a certificate");
    }
    event_active(identity->timer, EV_TIMEOUT, 0); /* the channel may not be freed from in here */
}

static bool identity_make_tls(struct identity *identity, struct err *err)
{
    size_t len;
    char *pem = file_read(identity->settings.anchors_file, IDENTITY_MAX_ANCHORS, &len, NULL, err);
    if (!pem)
        return false;
    struct trust_anchors *anchors = trust_anchors_from_pem(slice_of(pem, len), err);
    free(pem);
    if (!anchors)
        return err_prefix(err, "%s", identity->settings.anchors_file);
    identity->tls =
        svid_tls_new(SVID_CLIENT, NULL, anchors, slice_str(identity->settings.trust_domain),
                     slice_of(identity_alpn, sizeof(identity_alpn)), err);
    trust_anchors_drop(anchors);
    return identity->tls != NULL;
}

static bool identity_make_request(struct identity *identity, struct buf *request, struct err *err)
{
    size_t len;
    const char *path = identity->settings.token_file;
    char *token = file_read(path, CERTIFY_MAX_TOKEN_BYTES, &len, NULL, err);
    if (!token)
        return false;
    identity->key = ed25519_generate();
    bool ok = identity->key ? certify_request(request, slice_of(token, len), identity->key, err)
                            : err_set(err, "out of memory");
    OPENSSL_cleanse(token, len);
    free(token);
    return ok || err_prefix(err, "%s", path);
}

static bool identity_call(struct identity *identity, struct slice request, struct err *err)
{
    static const struct grpc_call_handlers handlers = {
        .on_message = identity_on_message,
        .on_end = identity_on_end,
    };
    struct grpc_channel_options options = {
        .target = identity->settings.controller,
        .tls = identity_tls,
        .tls_context = identity,
        .expected_identity = identity->settings.controller_identity,
        .socket_mark = identity->settings.socket_mark,
        .max_message_bytes = IDENTITY_MAX_MESSAGE,
    };
    identity->channel = grpc_channel_new(identity->base, &options, err);
    if (!identity->channel)
        return false;
    /* No deadline of the call's own: a connection that cannot be made is to be known at once. */
    identity->give_up_ns = clock_now_ns() + IDENTITY_CALL_MS * NS_PER_MS;
    identity->call = grpc_call_start(identity->channel, CERTIFY_METHOD, &handlers, identity, 0);
    if (!identity->call || !grpc_call_send(identity->call, request))
        return err_set(err, "out of memory");
    grpc_call_done_sending(identity->call);
    return true;
}

static void identity_failed(struct identity *identity)
{
    const struct identity_settings *settings = &identity->settings;
    uint64_t wait_ms =
        jitter_backoff(settings->backoff_min_ms, settings->backoff_max_ms, identity->attempt++);
    identity_end_attempt(identity);
    identity->last_error = identity->error;
    identity->retry_at_ns = clock_now_ns() + wait_ms * NS_PER_MS;
    telemetry_add(settings->telemetry, COUNTER_CERTIFICATE_FAILURES, 1);
    int64_t left_sec = identity->svid ? svid_not_after(identity->svid) - clock_wall_sec() : 0;
    LOG(LOG_WARN, "certificate_failed", LOG_S("error", identity->error.text),
        LOG_S("controller", settings->controller), LOG_I("retry_ms", wait_ms),
        LOG_I("expires_in_sec", left_sec));
}

static void identity_attempt(struct identity *identity)
{
    struct buf request;
    buf_init(&request, 2 * CERTIFY_MAX_TOKEN_BYTES);
    identity->retry_at_ns = 0;
    identity->error.text[0] = '\0';
    bool ok = identity_make_tls(identity, &identity->error) &&
              identity_make_request(identity, &request, &identity->error) &&
              identity_call(identity, buf_slice(&request), &identity->error);
    buf_fini(&request);
    if (!ok) {
        if (identity->call)
            grpc_call_cancel(identity->call);
        identity_failed(identity);
    }
}

/* ---- what it brings ---- */

static void identity_warn_of_anchors(const struct svid *svid)
{
    const struct trust_anchors *anchors = svid_anchors(svid);
    int64_t now_sec = clock_wall_sec();
    for (size_t i = 0; i < trust_anchors_count(anchors); i++) {
        int64_t left_sec = trust_anchors_not_after(anchors, i) - now_sec;
        if (left_sec < IDENTITY_ANCHOR_WARN_SEC)
            LOG(LOG_WARN, "trust_anchor_expiring", LOG_S("anchor", trust_anchors_name(anchors, i)),
                LOG_I("expires_in_sec", left_sec));
    }
}

static void identity_issued(struct identity *identity)
{
    struct svid *svid = identity->answer;
    svid_drop(identity->svid);
    identity->svid = svid;
    identity->answer = NULL;
    identity->is_warned = false;
    identity->attempt = 0;
    identity->last_error.text[0] = '\0';
    identity->received_ms = identity_now_ms();
    identity->renew_at_ms = identity_renewal_ms(identity->received_ms, svid_not_after(svid),
                                                (unsigned)jitter_below(1001));
    /* A certificate that is old already when it comes is no reason to ask without pause. */
    int64_t soonest_ms = identity->received_ms + (int64_t)identity->settings.backoff_min_ms;
    if (identity->renew_at_ms < soonest_ms)
        identity->renew_at_ms = soonest_ms;
    identity_end_attempt(identity);
    telemetry_add(identity->settings.telemetry, COUNTER_CERTIFICATES_ISSUED, 1);
    char end[TEXT_TIME_BYTES], renewal[TEXT_TIME_BYTES];
    LOG(LOG_INFO, "certificate_issued", LOG_S("serial", svid_serial(svid)),
        LOG_SL("identity", svid_id(svid)->text),
        LOG_S("not_after", text_time(svid_not_after(svid), end)),
        LOG_S("renewal", text_time(identity->renew_at_ms / 1000, renewal)));
    identity_warn_of_anchors(svid);
    identity->settings.on_certificate(identity->settings.context, svid);
}

/* ---- time ---- */

static void identity_watch_expiry(struct identity *identity, int64_t now_ms)
{
    if (!identity->svid)
        return;
    int64_t end_ms = svid_not_after(identity->svid) * 1000;
    int64_t lifetime_ms = identity_lifetime_ms(identity);
    if (now_ms >= end_ms) {
        LOG(LOG_ERROR, "certificate_expired", LOG_S("serial", svid_serial(identity->svid)),
            LOG_S("error", identity->last_error.text));
        svid_drop(identity->svid);
        identity->svid = NULL;
        identity->settings.on_certificate(identity->settings.context, NULL);
    } else if (!identity->is_warned && now_ms >= end_ms - lifetime_ms / 6) {
        identity->is_warned = true;
        LOG(LOG_WARN, "certificate_expiring", LOG_S("serial", svid_serial(identity->svid)),
            LOG_I("expires_in_sec", (end_ms - now_ms) / 1000),
            LOG_S("error", identity->last_error.text));
    }
}

static bool identity_is_due(const struct identity *identity, int64_t now_ms)
{
    if (identity->retry_at_ns)
        return clock_now_ns() >= identity->retry_at_ns;
    return !identity->svid || now_ms >= identity->renew_at_ms;
}

static void identity_earlier(int64_t *wait_ms, int64_t other_ms)
{
    if (other_ms < *wait_ms)
        *wait_ms = other_ms > 0 ? other_ms : 0;
}

static void identity_arm(struct identity *identity, int64_t now_ms)
{
    int64_t wait_ms = IDENTITY_MAX_WAIT_MS;
    if (identity->channel || identity->retry_at_ns) {
        uint64_t at_ns = identity->channel ? identity->give_up_ns : identity->retry_at_ns;
        int64_t left_ns = (int64_t)(at_ns - clock_now_ns());
        identity_earlier(&wait_ms, left_ns / (int64_t)NS_PER_MS + 1);
    } else {
        identity_earlier(&wait_ms, identity->renew_at_ms - now_ms);
    }
    if (identity->svid) {
        int64_t end_ms = svid_not_after(identity->svid) * 1000;
        int64_t lifetime_ms = identity_lifetime_ms(identity);
        if (!identity->is_warned)
            identity_earlier(&wait_ms, end_ms - lifetime_ms / 6 - now_ms);
        identity_earlier(&wait_ms, end_ms - now_ms);
    }
    struct timeval wait = clock_timeval_ms((uint64_t)wait_ms);
    event_add(identity->timer, &wait);
}

/* Everything that can be due, in order; afterwards the timer is set for what is due next. */
static void identity_on_timer(evutil_socket_t fd, short what, void *context)
{
    struct identity *identity = context;
    (void)fd;
    (void)what;
    if (identity->call && clock_now_ns() >= identity->give_up_ns) {
        grpc_call_cancel(identity->call);
        identity->call = NULL;
        err_set(&identity->error, "no answer within %d ms", IDENTITY_CALL_MS);
    }
    if (identity->channel && !identity->call) {
        if (identity->answer)
            identity_issued(identity);
        else
            identity_failed(identity);
    }
    int64_t now_ms = identity_now_ms();
    identity_watch_expiry(identity, now_ms);
    if (!identity->channel && identity_is_due(identity, now_ms))
        identity_attempt(identity);
    identity_arm(identity, identity_now_ms());
}

struct identity *identity_start(struct event_base *base, const struct identity_settings *settings,
                                struct err *err)
{
    struct identity *identity = calloc(1, sizeof(*identity));
    if (identity) {
        identity->base = base;
        identity->settings = *settings;
        identity->timer = event_new(base, -1, 0, identity_on_timer, identity);
    }
    if (!identity || !identity->timer) {
        err_set(err, "identity: out of memory");
        free(identity);
        return NULL;
    }
    event_active(identity->timer, EV_TIMEOUT, 0);
    return identity;
}

void identity_stop(struct identity *identity)
{
    if (!identity)
        return;
    if (identity->call)
        grpc_call_cancel(identity->call);
    event_free(identity->timer);
    identity_end_attempt(identity);
    svid_drop(identity->svid);
    free(identity);
}

struct svid *identity_svid(const struct identity *identity)
{
    return identity->svid;
}

const char *identity_error(const struct identity *identity)
{
    return identity->last_error.text;
}

int64_t identity_next_attempt(const struct identity *identity)
{
    if (identity->channel)
        return clock_wall_sec();
    if (identity->retry_at_ns) {
        int64_t left_ns = (int64_t)(identity->retry_at_ns - clock_now_ns());
        return clock_wall_sec() + (left_ns > 0 ? left_ns / (int64_t)NS_PER_SEC : 0);
    }
    return identity->renew_at_ms / 1000;
}
