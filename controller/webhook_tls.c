#include "controller/webhook_tls.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/clock.h"
#include "common/dns_name.h"
#include "common/ed25519.h"
#include "common/log.h"
#include "common/text.h"
#include "common/x509_time.h"

#define CHECK_MS 5000 /* a look at the clock, or at two files */
#define N_NAMES  3

struct webhook_tls {
    const struct webhook_tls_options *options;
    struct ca *ca;
    struct event *timer;
    SSL_CTX *context;
    int64_t renew_at; /* seconds since the epoch */
    struct timespec cert_changed, key_changed;
};

static bool fail_library(struct err *err, const char *what)
{
    uint32_t reason = ERR_peek_last_error();
    err_set(err, "%s: %s", what, reason ? ERR_reason_error_string(reason) : "out of memory");
    ERR_clear_error();
    return false;
}

static SSL_CTX *make_context(struct err *err)
{
    SSL_CTX *context = SSL_CTX_new(TLS_method());
    if (context && SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1) {
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
        return context;
    }
    SSL_CTX_free(context);
    fail_library(err, "the webhook's TLS context");
    return NULL;
}

/* ---- signed by the CA --------------------------------------------------------------------------
 */

static bool use_leaf(SSL_CTX *context, const struct ca_leaf *leaf, EVP_PKEY *key, struct err *err)
{
    const uint8_t *bytes = leaf->der;
    X509 *cert = d2i_X509(NULL, &bytes, (long)leaf->der_len);
    bool is_used = cert && SSL_CTX_use_certificate(context, cert) == 1 &&
                   SSL_CTX_use_PrivateKey(context, key) == 1;
    X509_free(cert);
    return is_used || fail_library(err, "the webhook's certificate");
}

static bool sign(struct webhook_tls *tls, SSL_CTX *context, struct err *err)
{
    /* With ".svc" the API server calls; the others are for people and for clusters of one's own. */
    char names[N_NAMES][DNS_NAME_MAX_BYTES + 1];
    const char *list[N_NAMES] = {names[0], names[1], names[2]};
    static const char *const suffixes[N_NAMES] = {"", ".svc", ".svc.cluster.local"};
    for (size_t i = 0; i < N_NAMES; i++)
        if (snprintf(names[i], sizeof(names[i]), "%s.%s%s", tls->options->service,
                     tls->options->namespace, suffixes[i]) >= (int)sizeof(names[i]))
            return err_set(err, "the webhook's name is too long");
    struct ca_leaf leaf = {0};
    EVP_PKEY *key = ed25519_generate();
    bool is_signed = key ? ca_issue_dns(tls->ca, key, list, N_NAMES, &leaf, err)
                         : err_set(err, "cannot make a key: out of memory");
    is_signed = is_signed && use_leaf(context, &leaf, key, err);
    if (is_signed) {
        int64_t now_sec = clock_wall_sec();
        char end[TEXT_TIME_BYTES];
        tls->renew_at = now_sec + (leaf.not_after - now_sec) * 2 / 3;
        LOG(LOG_INFO, "webhook_certificate", LOG_S("name", names[1]),
            LOG_S("not_after", text_time(leaf.not_after, end)));
    }
    ca_leaf_fini(&leaf);
    EVP_PKEY_free(key);
    return is_signed;
}

/* ---- given in files ----------------------------------------------------------------------------
 */

static struct timespec changed_at(const char *path)
{
    struct stat stat_of;
    return stat(path, &stat_of) == 0 ? stat_of.st_mtim : (struct timespec){0};
}

static bool is_same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool have_files_changed(const struct webhook_tls *tls)
{
    return !is_same_time(tls->cert_changed, changed_at(tls->options->cert_file)) ||
           !is_same_time(tls->key_changed, changed_at(tls->options->key_file));
}

static bool read_files(struct webhook_tls *tls, SSL_CTX *context, struct err *err)
{
    const struct webhook_tls_options *options = tls->options;
    /* Before they are read: what changes in between is read once more. */
    tls->cert_changed = changed_at(options->cert_file);
    tls->key_changed = changed_at(options->key_file);
    if (SSL_CTX_use_certificate_chain_file(context, options->cert_file) != 1)
        return fail_library(err, options->cert_file);
    if (SSL_CTX_use_PrivateKey_file(context, options->key_file, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context) != 1)
        return fail_library(err, options->key_file);
    LOG(LOG_INFO, "webhook_certificate", LOG_S("file", options->cert_file));
    return true;
}

/* ---- the one in use ----------------------------------------------------------------------------
 */

/* The old one stays in use where this fails. */
static bool renew(struct webhook_tls *tls, struct err *err)
{
    SSL_CTX *context = make_context(err);
    if (!context)
        return false;
    bool is_good =
        tls->options->cert_file ? read_files(tls, context, err) : sign(tls, context, err);
    if (!is_good) {
        SSL_CTX_free(context);
        return false;
    }
    SSL_CTX_free(tls->context);
    tls->context = context;
    return true;
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct webhook_tls *tls = context;
    struct err err;
    bool is_due =
        tls->options->cert_file ? have_files_changed(tls) : clock_wall_sec() >= tls->renew_at;
    if (is_due && !renew(tls, &err))
        LOG_LIMITED(LOG_ERROR, "webhook_certificate_failed", LOG_S("error", err.text));
}

struct webhook_tls *webhook_tls_new(struct event_base *base, struct ca *ca,
                                    const struct webhook_tls_options *options, struct err *err)
{
    struct webhook_tls *tls = calloc(1, sizeof(*tls));
    const struct timeval period = clock_timeval_ms(CHECK_MS);
    if (!tls) {
        err_set(err, "out of memory");
        return NULL;
    }
    tls->options = options;
    tls->ca = ca;
    tls->timer = event_new(base, -1, EV_PERSIST, on_timer, tls);
    if (!tls->timer || event_add(tls->timer, &period) < 0)
        err_set(err, "out of memory");
    else if (renew(tls, err))
        return tls;
    webhook_tls_free(tls);
    return NULL;
}

void webhook_tls_free(struct webhook_tls *tls)
{
    if (!tls)
        return;
    if (tls->timer)
        event_free(tls->timer);
    SSL_CTX_free(tls->context);
    free(tls);
}

SSL *webhook_tls_start(void *context)
{
    return SSL_new(((struct webhook_tls *)context)->context);
}
