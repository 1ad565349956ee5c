#include "controller/serve.h"

#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/confine.h"
#include "common/end_signals.h"
#include "common/event_cells.h"
#include "common/grpc/server.h"
#include "common/log.h"
#include "common/log_libevent.h"
#include "common/version.h"
#include "controller/admin/admin.h"
#include "controller/ca.h"
#include "controller/compile/compile.h"
#include "controller/compile/conflicts.h"
#include "controller/compile/route_problems.h"
#include "controller/delta/server.h"
#include "controller/identity_service.h"
#include "controller/kubernetes/anchors_publisher.h"
#include "controller/kubernetes/token_review.h"
#include "controller/server_identity.h"
#include "controller/source/kubernetes.h"
#include "controller/source/manifests.h"
#include "controller/token.h"
#include "controller/webhook.h"

#define DEFAULT_PORT    15010
#define DRAIN_CHECK_MS  20
#define EXPIRY_CHECK_MS (60 * 60 * 1000)
/* A discovery stream never ends by itself; only a Certify may be under way. */
#define MAX_AGE_GRACE_MS  2000
#define REQUEST_MAX_BYTES (1u << 20)

static const int handled_signals[] = {SIGTERM, SIGINT, SIGHUP};
#define N_SIGNALS (sizeof(handled_signals) / sizeof(handled_signals[0]))

struct controller {
    const struct settings *settings;
    struct event_base *base;
    struct event *signals[N_SIGNALS];
    struct event *drain_timer;
    struct event *expiry_timer;
    struct problems problems;
    struct store *store;
    struct manifests *manifests; /* the one source or the other */
    struct kube_access kube_access;
    struct kubernetes *kubernetes;
    struct token_reviewer *token_reviewer; /* with kubernetes */
    struct anchors_publisher_options anchors_options;
    struct anchors_publisher *anchors_publisher; /* likewise */
    struct conflicts *conflicts;
    struct route_problems *route_problems;
    struct compile_settings compile_settings;
    struct ca *ca;
    struct token_signer *signer;
    struct identity_service *identity;
    struct server_identity *own_identity;
    struct delta_server *delta;
    struct grpc_server *grpc;
    struct admin *admin;
    struct webhook_tls_options webhook_tls_options;
    struct webhook_tls *webhook_tls;
    struct webhook *webhook;
    uint64_t drain_deadline_ns;
    bool is_draining;
};

static struct resource *compile(void *context, enum resource_type type, const char *name)
{
    const struct controller *controller = context;
    return resource_compile(controller->store, &controller->compile_settings, type, name);
}

static void on_store_change(void *context, const struct map *changed)
{
    delta_server_change(((struct controller *)context)->delta, changed);
}

static void on_discovery(void *service, struct grpc_stream *stream)
{
    delta_server_call(((struct controller *)service)->delta, stream);
}

static void on_certify(void *service, struct grpc_stream *stream)
{
    identity_service_on_certify(((struct controller *)service)->identity, stream);
}

static const struct grpc_method methods[] = {{DISCOVERY_METHOD, on_discovery},
                                             {CERTIFY_METHOD, on_certify}};

/* Once everything that was under way is done, or may not take longer. */
static void on_drain_check(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct controller *controller = context;
    if (grpc_server_stats(controller->grpc).connections == 0 ||
        clock_now_ns() >= controller->drain_deadline_ns)
        event_base_loopbreak(controller->base);
}

static void drain(struct controller *controller)
{
    if (controller->is_draining) {
        event_base_loopbreak(controller->base);
        return;
    }
    controller->is_draining = true;
    if (!controller->grpc) { /* it has not served anybody yet */
        event_base_loopbreak(controller->base);
        return;
    }
    controller->drain_deadline_ns =
        clock_now_ns() + controller->settings->drain_timeout_ms * NS_PER_MS;
    LOG(LOG_INFO, "draining",
        LOG_I("connections", grpc_server_stats(controller->grpc).connections));
    grpc_server_drain(controller->grpc);
    delta_server_drain(controller->delta);
    struct timeval period = clock_timeval_ms(DRAIN_CHECK_MS);
    event_add(controller->drain_timer, &period);
}

static void on_signal(evutil_socket_t number, short what, void *context)
{
    (void)what;
    struct controller *controller = context;
    if (number != SIGHUP) {
        drain(controller);
        return;
    }
    if (!controller->manifests) /* the API server tells by itself */
        return;
    LOG(LOG_INFO, "rereading", LOG_S("manifests", controller->settings->manifests));
    manifests_reread(controller->manifests);
}

static void on_expiry_check(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    ca_warn_expiry(((struct controller *)context)->ca);
}

static bool start_events(struct controller *controller, struct err *err)
{
    controller->base = event_base_new();
    if (!controller->base)
        return err_set(err, "no event loop");
    controller->drain_timer =
        event_new(controller->base, -1, EV_PERSIST, on_drain_check, controller);
    controller->expiry_timer =
        event_new(controller->base, -1, EV_PERSIST, on_expiry_check, controller);
    if (!controller->drain_timer || !controller->expiry_timer)
        return err_set(err, "out of memory");
    struct timeval period = clock_timeval_ms(EXPIRY_CHECK_MS);
    event_add(controller->expiry_timer, &period);
    for (size_t i = 0; i < N_SIGNALS; i++) {
        controller->signals[i] =
            evsignal_new(controller->base, handled_signals[i], on_signal, controller);
        if (!controller->signals[i] || event_add(controller->signals[i], NULL) != 0)
            return err_set(err, "signal %d cannot be handled", handled_signals[i]);
    }
    return true;
}

static bool start_signer(struct controller *controller, struct err *err)
{
    const struct settings *settings = controller->settings;
    const struct ca_options options = {.state_dir = settings->state_dir,
                                       .trust_domain = settings->trust_domain,
                                       .root_ttl_sec = settings->root_ttl_ms / 1000,
                                       .leaf_ttl_sec = settings->leaf_ttl_ms / 1000};
    controller->ca = ca_open(&options, err);
    if (!controller->ca)
        return false;
    controller->signer = token_signer_open(settings->state_dir, err);
    if (!controller->signer)
        return false;
    controller->identity = identity_service_new(controller->ca, controller->signer);
    if (!controller->identity)
        return err_set(err, "out of memory");
    controller->own_identity = server_identity_new(controller->base, controller->ca, err);
    return controller->own_identity != NULL;
}

static bool open_api_server(struct controller *controller, struct err *err)
{
    if (controller->settings->kubeconfig)
        return kube_access_read(&controller->kube_access, controller->settings->kubeconfig, err);
    return kube_access_in_cluster(&controller->kube_access, KUBE_SERVICE_ACCOUNT,
                                  getenv("KUBERNETES_SERVICE_HOST"),
                                  getenv("KUBERNETES_SERVICE_PORT"), err);
}

/* Nobody is served before everything is known. */
static bool start_kubernetes(struct controller *controller, struct err *err)
{
    if (!open_api_server(controller, err))
        return false;
    controller->kubernetes = kubernetes_start(controller->base, &controller->kube_access,
                                              controller->store, &controller->problems);
    controller->token_reviewer = token_reviewer_new(controller->base, &controller->kube_access);
    if (!controller->kubernetes || !controller->token_reviewer)
        return err_set(err, "out of memory");
    identity_service_use_reviewer(controller->identity, controller->token_reviewer);
    LOG(LOG_INFO, "kubernetes_syncing", LOG_S("server", controller->kube_access.target));
    while (!kubernetes_is_synced(controller->kubernetes) && !controller->is_draining)
        event_base_loop(controller->base, EVLOOP_ONCE);
    if (controller->is_draining)
        return err_set(err, "ended before the API server had told everything");
    store_commit(controller->store);
    controller->anchors_options =
        (struct anchors_publisher_options){.base = controller->base,
                                           .access = &controller->kube_access,
                                           .store = controller->store,
                                           .problems = &controller->problems,
                                           .name = controller->settings->inject.anchors};
    controller->anchors_publisher =
        anchors_publisher_new(&controller->anchors_options, ca_anchors(controller->ca));
    return controller->anchors_publisher || err_set(err, "out of memory");
}

static bool start_manifests(struct controller *controller, struct err *err)
{
    controller->manifests = manifests_start(controller->base, controller->settings->manifests,
                                            controller->store, &controller->problems, err);
    return controller->manifests;
}

static bool start_source(struct controller *controller, struct err *err)
{
    controller->store = store_new();
    if (!controller->store)
        return err_set(err, "out of memory");
    bool is_started = controller->settings->manifests ? start_manifests(controller, err)
                                                      : start_kubernetes(controller, err);
    if (!is_started)
        return false;
    controller->conflicts = conflicts_new(controller->store, &controller->problems);
    controller->route_problems = route_problems_new(controller->store, &controller->problems);
    if (!controller->conflicts || !controller->route_problems)
        return err_set(err, "out of memory");
    controller->compile_settings =
        (struct compile_settings){.trust_domain = controller->settings->trust_domain,
                                  .root_namespace = COMPILE_ROOT_NAMESPACE};
    controller->delta =
        delta_server_new(controller->base, (struct delta_compiler){compile, controller},
                         controller->settings->trust_domain, err);
    if (!controller->delta)
        return false;
    store_listen(controller->store, on_store_change, controller);
    return true;
}

/* Every address: the v6 wildcard takes v4 as well; a kernel without IPv6 has only the other. */
static struct ip any_address(void)
{
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return (struct ip){.family = AF_INET};
    close(fd);
    return (struct ip){.family = AF_INET6};
}

static bool start_grpc(struct controller *controller, struct err *err)
{
    const struct settings *settings = controller->settings;
    struct ip any = any_address();
    const struct grpc_server_options options = {
        .listen = settings->listen.len ? settings->listen : addr_make(&any, DEFAULT_PORT),
        .tls = server_identity_tls,
        .tls_context = controller->own_identity,
        .methods = methods,
        .n_methods = sizeof(methods) / sizeof(methods[0]),
        .service = controller,
        .max_connections = (uint32_t)settings->max_connections,
        .keepalive_ms = settings->keepalive_ms,
        .keepalive_timeout_ms = settings->keepalive_timeout_ms,
        .max_age_ms = settings->max_connection_age_ms,
        .max_age_grace_ms = MAX_AGE_GRACE_MS,
        .max_message_bytes = REQUEST_MAX_BYTES,
    };
    controller->grpc = grpc_server_new(controller->base, &options, err);
    return controller->grpc != NULL;
}

static bool start_admin(struct controller *controller, struct err *err)
{
    const struct settings *settings = controller->settings;
    struct ip ip = settings->admin_address.family ? settings->admin_address : any_address();
    struct sockaddr_any listen = addr_make(&ip, (uint16_t)settings->admin_port);
    const struct admin_sources sources = {
        .settings = settings,
        .store = controller->store,
        .problems = &controller->problems,
        .manifests = controller->manifests,
        .kubernetes = controller->kubernetes,
        .ca = controller->ca,
        .identity = controller->identity,
        .own_identity = controller->own_identity,
        .delta = controller->delta,
        .grpc = controller->grpc,
        .webhook = controller->webhook,
        .is_draining = &controller->is_draining,
    };
    controller->admin = admin_start(controller->base, &listen, &sources, err);
    return controller->admin != NULL;
}

static bool start_webhook(struct controller *controller, struct err *err)
{
    const struct settings *settings = controller->settings;
    struct ip any = any_address();
    struct sockaddr_any listen = addr_make(&any, (uint16_t)settings->webhook_port);
    if (settings->webhook_port == 0)
        return true;
    controller->webhook_tls_options =
        (struct webhook_tls_options){.service = settings->webhook_service,
                                     .namespace = SERVER_IDENTITY_NAMESPACE,
                                     .cert_file = settings->webhook_cert,
                                     .key_file = settings->webhook_key};
    controller->webhook_tls =
        webhook_tls_new(controller->base, controller->ca, &controller->webhook_tls_options, err);
    if (!controller->webhook_tls)
        return false;
    controller->webhook = webhook_start(controller->base, &listen, &settings->inject,
                                        controller->store, controller->webhook_tls, err);
    return controller->webhook != NULL;
}

static bool start(struct controller *controller, struct err *err)
{
    return start_events(controller, err) && start_signer(controller, err) &&
           start_source(controller, err) && start_grpc(controller, err) &&
           start_webhook(controller, err) && start_admin(controller, err);
}

static void stop(struct controller *controller)
{
    admin_stop(controller->admin);
    webhook_stop(controller->webhook);
    webhook_tls_free(controller->webhook_tls);
    grpc_server_free(controller->grpc);
    delta_server_free(controller->delta);
    manifests_stop(controller->manifests);
    kubernetes_stop(controller->kubernetes);
    token_reviewer_free(controller->token_reviewer);
    anchors_publisher_free(controller->anchors_publisher);
    kube_access_fini(&controller->kube_access);
    conflicts_free(controller->conflicts);
    route_problems_free(controller->route_problems);
    store_free(controller->store);
    problems_fini(&controller->problems);
    server_identity_free(controller->own_identity);
    identity_service_free(controller->identity);
    token_signer_close(controller->signer);
    ca_close(controller->ca);
    end_signals_block();
    for (size_t i = 0; i < N_SIGNALS; i++)
        if (controller->signals[i])
            event_free(controller->signals[i]);
    if (controller->drain_timer)
        event_free(controller->drain_timer);
    if (controller->expiry_timer)
        event_free(controller->expiry_timer);
    if (controller->base)
        event_base_free(controller->base);
}

int serve(const struct settings *settings)
{
    log_setup((enum log_level)settings->log_level, (enum log_format)settings->log_format);
    log_libevent();
    confine_process(1);
    event_cells_use(1);
    struct err err;
    struct controller controller = {.settings = settings};
    problems_init(&controller.problems);
    bool is_started = start(&controller, &err);
    if (is_started) {
        LOG(LOG_INFO, "controller_started", LOG_S("version", OUTRIGGER_VERSION),
            LOG_I("port", grpc_server_port(controller.grpc)),
            LOG_I("admin_port", admin_port(controller.admin)),
            LOG_S("trust_domain", settings->trust_domain),
            LOG_I("files", controller.manifests ? manifests_files(controller.manifests) : 0),
            LOG_I("problems", problems_count(&controller.problems)));
        event_base_dispatch(controller.base);
        LOG(LOG_INFO, "controller_stopped");
    } else if (controller.is_draining) { /* SIGTERM while it waited for the API server */
        LOG(LOG_INFO, "controller_stopped");
        is_started = true;
    } else {
        fprintf(stderr, "outrigger-controller: %s\n", err.text);
    }
    stop(&controller);
    return is_started ? EXIT_SUCCESS : EXIT_FAILURE;
}
