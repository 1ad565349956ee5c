/*
 * What the admin pages look at. They read; only /log-level changes something.
 */
#ifndef OUTRIGGER_CONTROLLER_ADMIN_SOURCES_H
#define OUTRIGGER_CONTROLLER_ADMIN_SOURCES_H

#include "common/grpc/server.h"
#include "controller/ca.h"
#include "controller/delta/server.h"
#include "controller/identity_service.h"
#include "controller/objects/problems.h"
#include "controller/objects/store.h"
#include "controller/options.h"
#include "controller/server_identity.h"
#include "controller/source/kubernetes.h"
#include "controller/source/manifests.h"
#include "controller/webhook.h"

/* All of it outlives the admin port. */
struct admin_sources {
    const struct settings *settings;
    const struct store *store;
    const struct problems *problems;
    const struct manifests *manifests;   /* NULL with the other */
    const struct kubernetes *kubernetes; /* likewise */
    const struct ca *ca;
    const struct identity_service *identity;
    const struct server_identity *own_identity;
    const struct delta_server *delta;
    const struct grpc_server *grpc;
    const struct webhook *webhook; /* NULL: there is none */
    const bool *is_draining;
};

#endif
