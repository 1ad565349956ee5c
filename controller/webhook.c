#include "controller/webhook.h"

#include <jansson.h>
#include <stdlib.h>

#include "common/admin_http.h"
#include "common/log.h"
#include "controller/inject/review.h"
#include "controller/objects/namespace.h"

/* The API server keeps its connections for 90 s: it is to be the one that closes them. */
static const struct admin_limits limits = {
    .connections = 64,
    .head_bytes = 16 * 1024,
    .body_bytes = REVIEW_MAX_BYTES,
    .stream_high_bytes = 256 * 1024,
    .head_ms = 5000,
    .body_ms = 10000,
    .idle_ms = 300000,
    .stall_ms = 30000,
};

struct webhook {
    struct admin_http *http;
    const struct inject_settings *settings;
    const struct store *store;
    struct webhook_counts counts;
};

static bool set_texts(json_t *metadata, const char *field, struct labels texts)
{
    json_t *map = json_object();
    bool is_good = map != NULL;
    for (size_t i = 0; is_good && i < texts.n; i++)
        is_good =
            json_object_set_new(map, texts.list[i].key, json_string(texts.list[i].value)) == 0;
    is_good = is_good && json_object_set(metadata, field, map) == 0;
    json_decref(map);
    return is_good;
}

static json_t *namespace_metadata(void *context, const char *name)
{
    const struct webhook *webhook = context;
    const struct namespace *namespace =
        (const struct namespace *)store_get(webhook->store, OBJECT_NAMESPACE, "", name);
    json_t *metadata = namespace ? json_object() : NULL;
    if (metadata && set_texts(metadata, "labels", namespace->own_labels) &&
        set_texts(metadata, "annotations", namespace->own_annotations))
        return metadata;
    json_decref(metadata);
    return NULL;
}

static void reply(struct webhook *webhook, struct admin_request *request, json_t *answer,
                  const char *page, const struct review_outcome *outcome, const struct err *err)
{
    char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
    webhook->counts.n_warnings += outcome->n_warnings;
    if (text) {
        LOG(LOG_DEBUG, "admission", LOG_S("page", page), LOG_S("decision", outcome->decision),
            LOG_I("warnings", outcome->n_warnings));
        admin_reply(request, HTTP_OK, "application/json", text, strlen(text));
    } else {
        webhook->counts.n_malformed++;
        LOG_LIMITED(LOG_WARN, "admission_malformed", LOG_S("page", page),
                    LOG_S("error", answer ? "out of memory" : err->text));
        admin_reply_text(request, HTTP_BADREQUEST, "%s", answer ? "out of memory" : err->text);
    }
    free(text);
    json_decref(answer);
}

static void page_inject(struct admin_request *request, void *context)
{
    struct webhook *webhook = context;
    const struct review_namespaces namespaces = {namespace_metadata, webhook};
    struct review_outcome outcome;
    struct err err;
    json_t *answer =
        review_inject(admin_request_body(request), webhook->settings, &namespaces, &outcome, &err);
    webhook->counts.n_patched += answer && outcome.is_patched;
    webhook->counts.n_unpatched += answer && !outcome.is_patched;
    reply(webhook, request, answer, "inject", &outcome, &err);
}

static void page_validate(struct admin_request *request, void *context)
{
    struct webhook *webhook = context;
    struct review_outcome outcome;
    struct err err;
    json_t *answer = review_validate(admin_request_body(request), &outcome, &err);
    webhook->counts.n_accepted += answer && !outcome.is_refused;
    webhook->counts.n_refused += answer && outcome.is_refused;
    reply(webhook, request, answer, "validate", &outcome, &err);
}

static void page_healthz(struct admin_request *request, void *context)
{
    (void)context;
    admin_reply_text(request, HTTP_OK, "ok");
}

static const struct admin_page pages[] = {
    {"/inject", "POST", true, "an AdmissionReview of a pod, to be patched", page_inject},
    {"/validate", "POST", true, "an AdmissionReview of an object, to be judged", page_validate},
    {"/healthz", "GET", true, "200, as the server is there", page_healthz},
};

struct webhook *webhook_start(struct event_base *base, const struct sockaddr_any *listen,
                              const struct inject_settings *settings, const struct store *store,
                              struct webhook_tls *tls, struct err *err)
{
    struct webhook *webhook = calloc(1, sizeof(*webhook));
    if (!webhook) {
        err_set(err, "out of memory");
        return NULL;
    }
    webhook->settings = settings;
    webhook->store = store;
    webhook->http =
        admin_http_new(base, listen, pages, sizeof(pages) / sizeof(pages[0]), webhook, err);
    if (!webhook->http) {
        err_prefix(err, "webhook");
        free(webhook);
        return NULL;
    }
    admin_http_set_limits(webhook->http, &limits);
    admin_http_use_tls(webhook->http, webhook_tls_start, tls);
    return webhook;
}

void webhook_stop(struct webhook *webhook)
{
    if (!webhook)
        return;
    admin_http_free(webhook->http);
    free(webhook);
}

uint16_t webhook_port(const struct webhook *webhook)
{
    return admin_http_port(webhook->http);
}

const struct webhook_counts *webhook_counts(const struct webhook *webhook)
{
    return &webhook->counts;
}
