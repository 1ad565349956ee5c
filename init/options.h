/*
 * What outrigger-init is told: the table of its options and the check that they do not contradict
 * each other. Pure.
 */
#ifndef OUTRIGGER_INIT_OPTIONS_H
#define OUTRIGGER_INIT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/options.h"
#include "init/lists.h"

/* In the order of the choices of --backend. */
enum init_backend { INIT_BACKEND_AUTO, INIT_BACKEND_NFTABLES, INIT_BACKEND_IPTABLES };

struct init_options {
    uint64_t inbound_port;
    uint64_t outbound_port;
    uint64_t admin_port; /* never redirected, so that probes and scrapes reach it */
    struct id_list proxy_uids;
    struct id_list proxy_gids;
    uint32_t proxy_mark; /* 0: the proxy's packets carry none */
    struct id_list skip_uids;
    struct port_list skip_inbound_ports;
    struct port_list include_inbound_ports; /* empty: all */
    struct port_list skip_outbound_ports;
    struct cidr_list skip_outbound_cidrs;
    struct cidr_list include_outbound_cidrs; /* empty: all */
    struct interface_list skip_interfaces;
    int backend; /* enum init_backend */
    bool is_delete;
    bool is_dry_run;
    bool is_verify;
    int log_level;  /* enum log_level */
    int log_format; /* enum log_format */
};

extern const struct option_table init_options_table;

/* Fills `options` from the arguments and checks them as a whole. The result is options_parse()'s.
 */
enum options_result init_options_parse(int argc, char **argv, struct init_options *options,
                                       struct err *err) MUST_USE;

#endif
