/*
 * The controller's settings, one table for each of its commands.
 */
#ifndef OUTRIGGER_CONTROLLER_OPTIONS_H
#define OUTRIGGER_CONTROLLER_OPTIONS_H

#include <jansson.h>
#include <stdint.h>

#include "common/cidr.h"
#include "common/options.h"
#include "controller/inject/settings.h"

/* Fields are zero where a command has no such option. */
struct settings {
    const char *manifests; /* one of the three says where objects come from */
    const char *kubeconfig;
    bool is_in_cluster;
    const char *state_dir;
    const char *trust_domain;
    struct sockaddr_any listen; /* len 0: every address, port 15010 */
    struct ip admin_address;    /* family 0: every address */
    uint64_t admin_port;
    uint64_t leaf_ttl_ms;
    uint64_t root_ttl_ms;
    int log_level;  /* enum log_level */
    int log_format; /* enum log_format */
    uint64_t max_connection_age_ms;
    uint64_t max_connections;
    uint64_t keepalive_ms;
    uint64_t keepalive_timeout_ms;
    uint64_t drain_timeout_ms;
    uint64_t webhook_port; /* 0: no webhook */
    const char *webhook_cert, *webhook_key, *webhook_service;
    struct inject_settings inject; /* its trust domain is `trust_domain` */
    const char *token_pod;
    uint64_t token_ttl_ms;
};

extern const struct option_table options_serve;   /* no command */
extern const struct option_table options_token;   /* token NAMESPACE ACCOUNT */
extern const struct option_table options_anchors; /* anchors */
extern const struct option_table options_check;   /* check DIR */

/* What no single row can say; also completes what follows from others. */
bool settings_check(struct settings *settings, struct err *err) MUST_USE;

/* What the controller serves with, for /config: see common/options_json.h. A new reference. */
json_t *settings_json(const struct settings *settings);

#endif
