/* What an injected pod's parts are called. */
#ifndef OUTRIGGER_CONTROLLER_INJECT_NAMES_H
#define OUTRIGGER_CONTROLLER_INJECT_NAMES_H

#include "controller/objects/pod.h"

#define INJECT_PROXY_CONTAINER POD_PROXY_CONTAINER
#define INJECT_INIT_CONTAINER  "outrigger-init"
#define INJECT_TOKEN_VOLUME    "outrigger-token"
#define INJECT_ANCHORS_VOLUME  "outrigger-anchors"
#define INJECT_SYSTEM          "outrigger-system"

/* The defaults of the proxy's options --token-file and --trust-anchors are in these. */
#define INJECT_TOKEN_FOLDER   "/var/run/secrets/outrigger.dev"
#define INJECT_ANCHORS_FOLDER "/var/run/outrigger.dev/anchors"

/* And those of its ports, of its user, and of how long it drains. */
#define INJECT_OUTBOUND_PORT    15001
#define INJECT_INBOUND_PORT     15006
#define INJECT_ADMIN_PORT       15000
#define INJECT_USER             1337
#define INJECT_DRAIN_TIMEOUT_MS 30000

/* Kubernetes' own, where the pod does not say. */
#define INJECT_GRACE_SEC 30

#endif
