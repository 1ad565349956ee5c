/*
 * What is injected into every pod that is, and the rows of the options that say so: the
 * controller's and those of `outrigger inject` are the same.
 */
#ifndef OUTRIGGER_CONTROLLER_INJECT_SETTINGS_H
#define OUTRIGGER_CONTROLLER_INJECT_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/options.h"
#include "common/version.h"

/* In the order of the choices of --sidecars. */
enum inject_sidecars { INJECT_NATIVE, INJECT_ORDINARY };

struct inject_settings {
    const char *proxy_image;
    const char *init_image;
    const char *pull_policy; /* NULL: the cluster's default */
    const char *controller;  /* HOST:PORT, as the proxies reach it */
    const char *trust_domain;
    const char *anchors; /* name of the ConfigMap with the trust anchors */
    int sidecars;        /* enum inject_sidecars */
    bool has_cni;        /* the redirect is the node's business: no init container */
    const char *cpu_request, *cpu_limit, *memory_request, *memory_limit; /* NULL: none */
};

#define INJECT_ROW(field_name, option, text, value, h)                                             \
    {                                                                                              \
        .name = option, .type = OPTION_STRING,                                                     \
        .offset = INJECT_BASE + offsetof(struct inject_settings, field_name),                      \
        .default_text = text, .value_name = value, .help = h                                       \
    }

/* Wants INJECT_BASE: the offset of the struct inject_settings. The trust domain is another row's.
 */
#define INJECT_ROWS                                                                                \
    INJECT_ROW(proxy_image, "proxy-image", "outrigger-proxy:" OUTRIGGER_VERSION, "IMAGE",          \
               "image of the proxy in pods"),                                                      \
        INJECT_ROW(init_image, "init-image", "outrigger-init:" OUTRIGGER_VERSION, "IMAGE",         \
                   "image of the container that redirects a pod's connections"),                   \
        INJECT_ROW(pull_policy, "image-pull-policy", NULL, "POLICY",                               \
                   "Always, IfNotPresent or Never, for both images"),                              \
        INJECT_ROW(controller, "proxy-controller",                                                 \
                   "outrigger-controller.outrigger-system.svc:15010", "HOST:PORT",                 \
                   "where injected proxies reach the controller"),                                 \
        INJECT_ROW(anchors, "anchors-config-map", "outrigger-trust-anchors", "NAME",               \
                   "ConfigMap of each namespace with the trust anchors, key root.pem"),            \
        {.name = "sidecars",                                                                       \
         .type = OPTION_CHOICE,                                                                    \
         .offset = INJECT_BASE + offsetof(struct inject_settings, sidecars),                       \
         .choices = "native|ordinary",                                                             \
         .default_text = "native",                                                                 \
         .help = "native sidecars (Kubernetes 1.29 and later), or ordinary containers"},           \
        {.name = "with-cni",                                                                       \
         .type = OPTION_FLAG,                                                                      \
         .offset = INJECT_BASE + offsetof(struct inject_settings, has_cni),                        \
         .help = "the nodes' CNI plugin redirects: inject no init container"},                     \
        INJECT_ROW(cpu_request, "proxy-cpu-request", "10m", "QUANTITY",                            \
                   "CPU that is reserved for a proxy"),                                            \
        INJECT_ROW(cpu_limit, "proxy-cpu-limit", NULL, "QUANTITY",                                 \
                   "CPU that a proxy may use; without it no limit"),                               \
        INJECT_ROW(memory_request, "proxy-memory-request", "32Mi", "QUANTITY",                     \
                   "memory that is reserved for a proxy"),                                         \
        INJECT_ROW(memory_limit, "proxy-memory-limit", NULL, "QUANTITY",                           \
                   "memory that a proxy may use; without it no limit")

/* What no single row can say: quantities, and requests within their limits. */
bool inject_settings_check(const struct inject_settings *settings, struct err *err) MUST_USE;

#endif
