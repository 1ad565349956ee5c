/* The address of an API server as kubeconfigs write it. Pure. */
#ifndef OUTRIGGER_CONTROLLER_KUBERNETES_KUBE_URL_H
#define OUTRIGGER_CONTROLLER_KUBERNETES_KUBE_URL_H

#include "common/arena.h"
#include "common/err.h"
#include "common/slice.h"

struct kube_url {
    bool is_tls;
    const char *host;   /* without brackets */
    const char *target; /* "host:port", brackets round an IPv6 address */
    const char *prefix; /* of paths, without a slash at the end: "" or "/k8s" */
};

/* "https://HOST[:PORT][/PREFIX]", or http. Texts are the arena's. False with `err`. */
bool kube_url_parse(struct slice text, struct arena *arena, struct kube_url *url,
                    struct err *err) MUST_USE;

bool kube_url_is_loopback(const struct kube_url *url);

#endif
