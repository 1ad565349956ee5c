#include "proxy/control/control.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "proxy/control/discovery.h"
#include "proxy/control/identity.h"
#include "proxy/control/mesh_tls.h"
#include "proxy/control/resources.h"
#include "proxy/wire.h"

#define CONTROL_BACKOFF_MIN_MS     100
#define CONTROL_BACKOFF_MAX_MS     10000
#define CONTROL_SERVICE_IDLE_MS    (10 * 60 * 1000)
#define CONTROL_MAX_SERVICES       4096
#define CONTROL_SWEEP_MAX_MS       60000
#define CONTROL_SHORT_OF_MEMORY_MS 100

struct control {
    struct control_callbacks callbacks;
    struct telemetry_shard *telemetry;
    uint64_t service_idle_ms, sweep_ms;
    char *controller, *controller_identity, *trust_domain, *token_file, *anchors_file;

    struct identity *identity;
    struct discovery *discovery;
    struct resources *resources;
    struct snapshot *snapshot;                 /* the last one published; never NULL */
    struct event *turn;                        /* once a turn of the loop: publish and flush */
    struct event *sweep;                       /* forgets what nobody uses */
    struct err tls_error;                      /* why a certificate that came could not be used */
    uint64_t evicted, n_services, n_endpoints; /* as counted last */
};

/* ---- publishing ---- */

static void control_gauge(struct control *control, enum counter gauge, uint64_t *last,
                          uint64_t value)
{
    telemetry_add(control->telemetry, gauge, (int64_t)value - (int64_t)*last);
    *last = value;
}

static void control_count(struct control *control)
{
    uint64_t endpoints = 0;
    MAP_EACH(entry, &control->snapshot->endpoints)
        endpoints += ((struct endpoints *)entry->value)->n;
    control_gauge(control, COUNTER_SERVICES, &control->n_services,
                  control->snapshot->services.count);
    control_gauge(control, COUNTER_ENDPOINTS, &control->n_endpoints, endpoints);
    control_gauge(control, COUNTER_SERVICES_EVICTED, &control->evicted,
                  control->resources->evicted);
}

static bool control_publish(struct control *control)
{
    struct snapshot *next =
        resources_snapshot(control->resources, control->snapshot->generation + 1);
    if (!next)
        return false;
    snapshot_drop(control->snapshot);
    control->snapshot = next;
    control_count(control);
    control->callbacks.publish(control->callbacks.context, next);
    return true;
}

static void control_on_turn(evutil_socket_t fd, short what, void *context)
{
    struct control *control = context;
    (void)fd;
    (void)what;
    if (control->resources->is_dirty && !control_publish(control)) {
        struct timeval wait = clock_timeval_ms(CONTROL_SHORT_OF_MEMORY_MS);
        event_add(control->turn, &wait);
    }
    discovery_flush(control->discovery);
}

static void control_on_change(void *context)
{
    struct control *control = context;
    event_active(control->turn, EV_TIMEOUT, 0);
}

static void control_on_sweep(evutil_socket_t fd, short what, void *context)
{
    struct control *control = context;
    struct timeval wait = clock_timeval_ms(control->sweep_ms);
    (void)fd;
    (void)what;
    resources_forget_idle(control->resources, clock_now_ns(), control->service_idle_ms * NS_PER_MS);
    control_on_change(control);
    event_add(control->sweep, &wait);
}

/* ---- the certificate ---- */

static void control_on_certificate(void *context, struct svid *svid)
{
    static const struct worker_tls none;
    struct control *control = context;
    struct mesh_tls tls;
    control->tls_error.text[0] = '\0';
    if (!svid) {
        control->callbacks.publish_tls(control->callbacks.context, &none);
        discovery_use_tls(control->discovery, NULL);
        return;
    }
    if (!mesh_tls_init(&tls, svid, &control->tls_error)) {
        /* The one before is still good; the next renewal brings another. */
        LOG(LOG_ERROR, "certificate_unusable", LOG_S("error", control->tls_error.text));
        return;
    }
    control->callbacks.publish_tls(control->callbacks.context, &tls.workers);
    discovery_use_tls(control->discovery, tls.controller);
    mesh_tls_fini(&tls);
}

/* ---- start and stop ---- */

static bool control_copy_settings(struct control *control, const struct control_settings *settings,
                                  struct err *err)
{
    char identity[SPIFFE_ID_MAX_BYTES + 1];
    if (!spiffe_trust_domain_ok(slice_str(settings->trust_domain)))
        return err_set(err, "trust domain \"%.255s\" is not valid", settings->trust_domain);
    if (!wire_is_namespaced(slice_str(settings->pod)))
        return err_set(err, "pod \"%.255s\" is not NAMESPACE/POD", settings->pod);
    if (settings->controller_identity) {
        struct spiffe_id id;
        if (!spiffe_parse(slice_str(settings->controller_identity), &id, err))
            return err_prefix(err, "the controller's identity");
        control->controller_identity = strdup(settings->controller_identity);
    } else if (spiffe_format(identity, sizeof(identity), slice_str(settings->trust_domain),
                             SLICE_LITERAL("outrigger-system"),
                             SLICE_LITERAL("outrigger-controller"))) {
        control->controller_identity = strdup(identity);
    }
    control->controller = strdup(settings->controller);
    control->trust_domain = strdup(settings->trust_domain);
    control->token_file = strdup(settings->token_file);
    control->anchors_file = strdup(settings->anchors_file);
    control->service_idle_ms =
        settings->service_idle_ms ? settings->service_idle_ms : CONTROL_SERVICE_IDLE_MS;
    control->sweep_ms = control->service_idle_ms / 4 < CONTROL_SWEEP_MAX_MS
                            ? control->service_idle_ms / 4 + 1
                            : CONTROL_SWEEP_MAX_MS;
    return (control->controller && control->controller_identity && control->trust_domain &&
            control->token_file && control->anchors_file) ||
           err_set(err, "out of memory");
}

static bool control_start_parts(struct control *control, struct event_base *base,
                                const struct control_settings *settings, struct err *err)
{
    uint64_t min_ms = settings->backoff_min_ms ? settings->backoff_min_ms : CONTROL_BACKOFF_MIN_MS;
    uint64_t max_ms = settings->backoff_max_ms ? settings->backoff_max_ms : CONTROL_BACKOFF_MAX_MS;
    const struct discovery_settings discovery = {
        .controller = control->controller,
        .controller_identity = control->controller_identity,
        .socket_mark = settings->socket_mark,
        .backoff_min_ms = min_ms,
        .backoff_max_ms = max_ms,
        .resources = control->resources,
        .telemetry = control->telemetry,
        .on_change = control_on_change,
        .context = control,
    };
    const struct identity_settings identity = {
        .controller = control->controller,
        .controller_identity = control->controller_identity,
        .socket_mark = settings->socket_mark,
        .trust_domain = control->trust_domain,
        .token_file = control->token_file,
        .anchors_file = control->anchors_file,
        .backoff_min_ms = min_ms,
        .backoff_max_ms = max_ms,
        .telemetry = control->telemetry,
        .on_certificate = control_on_certificate,
        .context = control,
    };
    control->discovery = discovery_new(base, &discovery, err);
    if (!control->discovery)
        return false;
    control->identity = identity_start(base, &identity, err);
    return control->identity != NULL;
}

struct control *control_start(struct event_base *base, const struct control_settings *settings,
                              const struct control_callbacks *callbacks,
                              struct telemetry_shard *telemetry, struct err *err)
{
    struct control *control = calloc(1, sizeof(*control));
    if (!control) {
        err_set(err, "control: out of memory");
        return NULL;
    }
    control->callbacks = *callbacks;
    control->telemetry = telemetry;
    if (!control_copy_settings(control, settings, err))
        goto failed;
    control->snapshot = snapshot_new();
    control->resources =
        resources_new(settings->pod, settings->trust_domain,
                      settings->max_services ? settings->max_services : CONTROL_MAX_SERVICES);
    control->turn = event_new(base, -1, 0, control_on_turn, control);
    control->sweep = event_new(base, -1, 0, control_on_sweep, control);
    if (!control->snapshot || !control->resources || !control->turn || !control->sweep) {
        err_set(err, "control: out of memory");
        goto failed;
    }
    if (!control_start_parts(control, base, settings, err))
        goto failed;
    struct timeval wait = clock_timeval_ms(control->sweep_ms);
    event_add(control->sweep, &wait);
    return control;
failed:
    control_stop(control);
    return NULL;
}

void control_stop(struct control *control)
{
    if (!control)
        return;
    identity_stop(control->identity);
    discovery_free(control->discovery);
    resources_free(control->resources);
    snapshot_drop(control->snapshot);
    if (control->turn)
        event_free(control->turn);
    if (control->sweep)
        event_free(control->sweep);
    free(control->controller);
    free(control->controller_identity);
    free(control->trust_domain);
    free(control->token_file);
    free(control->anchors_file);
    free(control);
}

void control_want_service(struct control *control, struct slice resource)
{
    if (!resources_want(control->resources, resource, clock_now_ns()))
        LOG_LIMITED(LOG_WARN, "service_not_followed", LOG_SL("service", resource));
    control_on_change(control);
}

/* ---- what is told ---- */

/* Why the controller cannot be used, or what it lacks, in the order in which it would be mended. */
static const char *control_why(const struct control *control,
                               const struct discovery_status *discovery)
{
    if (!identity_svid(control->identity) && *identity_error(control->identity))
        return identity_error(control->identity);
    if (*control->tls_error.text)
        return control->tls_error.text;
    if (!discovery->is_open)
        return discovery->last_error;
    if (control->resources->workload_is_gone)
        return RESOURCES_WORKLOAD_GONE;
    return "";
}

struct control_status control_status(const struct control *control)
{
    struct discovery_status discovery = discovery_status(control->discovery);
    return (struct control_status){
        .has_certificate = identity_svid(control->identity) != NULL,
        .is_connected = discovery.is_open,
        .has_workload = control->snapshot->workload != NULL,
        .connected_since = discovery.is_open ? discovery.since : 0,
        .disconnected_since = discovery.is_open ? 0 : discovery.since,
        .last_error = control_why(control, &discovery),
        .last_nack = discovery.last_nack,
        .certificate_error = identity_error(control->identity),
        .next_renewal = identity_next_attempt(control->identity),
        .nacks = discovery.nacks,
    };
}

struct snapshot *control_snapshot(const struct control *control)
{
    return control->snapshot;
}

struct svid *control_svid(const struct control *control)
{
    return identity_svid(control->identity);
}
