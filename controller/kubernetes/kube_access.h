/*
 * How the API server is reached and who we are to it: from the service account of the pod that the
 * controller runs in, or from a kubeconfig file (clusters, users, contexts; token, tokenFile,
 * client certificates). What a kubeconfig asks for and is not done - exec plugins, unverified TLS,
 * proxies
 * - is refused, not passed over.
 */
#ifndef OUTRIGGER_CONTROLLER_KUBERNETES_KUBE_ACCESS_H
#define OUTRIGGER_CONTROLLER_KUBERNETES_KUBE_ACCESS_H

#include <openssl/ssl.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/err.h"

#define KUBE_SERVICE_ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount"

struct kube_access {
    struct arena arena;      /* of all texts */
    const char *target;      /* "host:port", "[::1]:6443" */
    const char *server_name; /* that the certificate must have: a name or an address */
    const char *prefix;      /* of all paths: "" or "/k8s/clusters/c-1" */
    const char *token;       /* or NULL */
    const char *token_file;  /* read anew for each request, as tokens are short-lived; or NULL */
    SSL_CTX *tls;            /* NULL: plain HTTP, to a loopback address only */
};

/* In-cluster: `folder` is KUBE_SERVICE_ACCOUNT; host and port are those of the environment. False
 * with `err` naming the file or variable; kube_access_fini() in any case. */
bool kube_access_in_cluster(struct kube_access *access, const char *folder, const char *host,
                            const char *port, struct err *err) MUST_USE;
/* Of the current context of a kubeconfig. */
bool kube_access_read(struct kube_access *access, const char *path, struct err *err) MUST_USE;
/* The same of its text; relative paths are below `folder`. */
bool kube_access_parse(struct kube_access *access, struct slice text, const char *path,
                       const char *folder, struct err *err) MUST_USE;
void kube_access_fini(struct kube_access *access);

/* Appends "Authorization: Bearer ...\r\n" where there is a token. False with `err`. */
bool kube_access_authorize(const struct kube_access *access, struct buf *head,
                           struct err *err) MUST_USE;

#endif
