/*
 * An AccessPolicy (outrigger.dev/v1alpha1): who may connect to which ports of which pods, and ask
 * what of them. What the rules mean is said in proto/resources.proto.
 */
#ifndef OUTRIGGER_CONTROLLER_OBJECTS_ACCESS_POLICY_H
#define OUTRIGGER_CONTROLLER_OBJECTS_ACCESS_POLICY_H

#include "controller/objects/access_target.h"
#include "controller/objects/field.h"
#include "controller/objects/object.h"
#include "controller/objects/value.h"

/* The values are those of proto/resources.proto. */
enum access_action { ACCESS_ALLOW = 1, ACCESS_DENY, ACCESS_AUDIT };

struct access_source {
    struct texts identities;       /* SPIFFE IDs; the last byte may be `*` */
    struct texts service_accounts; /* namespace/account */
    struct texts namespaces;
    struct texts ip_blocks;
    struct texts not_identities;
    struct texts not_service_accounts;
    struct texts not_namespaces;
    struct texts not_ip_blocks;
    bool is_unauthenticated;
};

struct access_rule {
    const struct access_source *from;
    size_t n_from;
    const struct access_target *to;
    size_t n_to;
};

struct access_policy {
    struct object object;
    struct labels selector; /* of pods; empty: all of the namespace, or of the mesh in the root */
    enum access_action action;
    const struct access_rule *rules;
    size_t n_rules;
};

/* A rule of a policy, the rule that a limit is for; names without a namespace are of the object's.
 * Complaints go to the field's reading. */
void access_rule_read(const struct field *field, const struct object *object,
                      struct access_rule *rule);

/* Fills what is the kind's own; `object` has been read. Complaints go to the field's reading. */
void access_policy_read(const struct field *root, struct object *object);

#endif
