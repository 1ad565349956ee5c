/*
 * The configuration of the rig's two pods, built from messages as the controller would send them.
 */
#ifndef OUTRIGGER_TEST_PROXY_RIG_CONFIG_H
#define OUTRIGGER_TEST_PROXY_RIG_CONFIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/resources.pb-c.h"
#include "proxy/snapshot.h"
#include "test/unit/proxy/pack.h"

#define RIG_WEB       "spiffe://mesh.test/ns/shop/sa/web"
#define RIG_API       "spiffe://mesh.test/ns/shop/sa/api"
#define RIG_VIP       "10.96.0.10:80"
#define RIG_ENDPOINTS "shop/api/80"

struct rig_policy {
    Outrigger__V1__MtlsMode mtls_mode;
    Outrigger__V1__AccessAction action; /* of one policy "shop/only"; 0: no policy */
    const char *identity;               /* that it names */
    Outrigger__V1__DefaultAccess default_access;
    Outrigger__V1__EgressMode egress_mode;
    uint32_t max_connections;
    const char *address; /* of the pod itself */
};

static inline struct workload *rig_workload(const char *account, const struct rig_policy *policy)
{
    static char name[] = "shop/pod-1", owner[] = "pod", domain[] = "mesh.test",
                rule[] = "shop/only";
    Outrigger__V1__Workload message = OUTRIGGER__V1__WORKLOAD__INIT;
    Outrigger__V1__MeshSettings mesh = OUTRIGGER__V1__MESH_SETTINGS__INIT;
    Outrigger__V1__InboundLimits limits = OUTRIGGER__V1__INBOUND_LIMITS__INIT;
    Outrigger__V1__AccessPolicy access = OUTRIGGER__V1__ACCESS_POLICY__INIT;
    Outrigger__V1__AccessRule access_rule = OUTRIGGER__V1__ACCESS_RULE__INIT;
    Outrigger__V1__AccessSource source = OUTRIGGER__V1__ACCESS_SOURCE__INIT;
    Outrigger__V1__AccessSource *sources[] = {&source};
    Outrigger__V1__AccessRule *rules[] = {&access_rule};
    Outrigger__V1__AccessPolicy *policies[] = {&access};
    char *identities[] = {(char *)policy->identity};
    char *addresses[] = {(char *)(policy->address ? policy->address : "10.1.0.1")};
    mesh.trust_domain = domain;
    mesh.egress_mode = policy->egress_mode;
    limits.max_connections = policy->max_connections;
    source.identities = identities;
    source.n_identities = policy->identity ? 1 : 0;
    access_rule.from = sources;
    access_rule.n_from = 1;
    access.name = rule;
    access.action = policy->action;
    access.rules = rules;
    access.n_rules = 1;
    message.name = name;
    message.workload = owner;
    message.service_account = (char *)account;
    message.addresses = addresses;
    message.n_addresses = 1;
    message.mtls_mode = policy->mtls_mode;
    message.default_access = policy->default_access;
    message.access_policies = policies;
    message.n_access_policies = policy->action ? 1 : 0;
    message.inbound = &limits;
    message.mesh = &mesh;
    struct slice bytes = pack(&message);
    struct err err;
    struct workload *workload = workload_build(bytes, slice_str(name), SLICE_LITERAL("1"), &err);
    if (!workload)
        fail_msg("%s", err.text);
    free((char *)bytes.ptr);
    return workload;
}

struct rig_endpoint {
    uint16_t port;
    const char *identity; /* NULL: not in the mesh */
};

static inline struct endpoints *rig_endpoints(const struct rig_endpoint *list, size_t n)
{
    Outrigger__V1__Endpoints message = OUTRIGGER__V1__ENDPOINTS__INIT;
    Outrigger__V1__Endpoint items[8], *pointers[8];
    assert_true(n <= 8);
    for (size_t i = 0; i < n; i++) {
        items[i] = (Outrigger__V1__Endpoint)OUTRIGGER__V1__ENDPOINT__INIT;
        items[i].address = (char *)"127.0.0.1";
        items[i].port = list[i].port;
        items[i].identity = (char *)(list[i].identity ? list[i].identity : "");
        pointers[i] = &items[i];
    }
    message.name = (char *)RIG_ENDPOINTS;
    message.endpoints = pointers;
    message.n_endpoints = n;
    struct slice bytes = pack(&message);
    struct err err;
    struct endpoints *endpoints =
        endpoints_build(bytes, slice_str(RIG_ENDPOINTS), SLICE_LITERAL("1"), &err);
    if (!endpoints)
        fail_msg("%s", err.text);
    free((char *)bytes.ptr);
    return endpoints;
}

static inline struct service *rig_service(struct service_shared *shared, uint32_t max_connections)
{
    Outrigger__V1__Service message = OUTRIGGER__V1__SERVICE__INIT;
    Outrigger__V1__Backend backend = OUTRIGGER__V1__BACKEND__INIT, *backends[] = {&backend};
    message.name = (char *)"shop/api";
    message.port = 80;
    message.backends = backends;
    message.n_backends = 1;
    message.max_connections = max_connections;
    backend.endpoints = (char *)RIG_ENDPOINTS;
    backend.weight = 1;
    struct slice bytes = pack(&message);
    struct err err;
    struct service *service =
        service_build(bytes, slice_str(RIG_VIP), SLICE_LITERAL("1"), shared, &err);
    if (!service)
        fail_msg("%s", err.text);
    free((char *)bytes.ptr);
    return service;
}

#endif
