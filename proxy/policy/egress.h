/*
 * What is outside of the mesh and has a name: which of it a destination is, by the port, the
 * address, and the name that the application says there (HTTP's Host, the SNI of its TLS). Pure.
 */
#ifndef OUTRIGGER_PROXY_POLICY_EGRESS_H
#define OUTRIGGER_PROXY_POLICY_EGRESS_H

#include "common/arena.h"
#include "common/cidr.h"
#include "proto/resources.pb-c.h"

struct external_host {
    const char *object; /* namespace/name */
    const char **hosts; /* in lower case: exact, or "*." and what is above; none: any name */
    size_t n_hosts;
    struct cidr *addresses; /* none: anywhere */
    size_t n_addresses;
    uint16_t *ports;
    size_t n_ports;
};

struct external_hosts {
    struct arena arena; /* of all texts and lists */
    struct external_host *list;
    size_t n;
};

/* Fills what is empty. False with `err` naming the field; external_hosts_fini() in any case. What
 * is not understood of one leaves it out: less is let out, not more. */
bool external_hosts_build(struct external_hosts *hosts,
                          Outrigger__V1__ExternalHost *const *messages, size_t n,
                          struct err *err) MUST_USE;
void external_hosts_fini(struct external_hosts *hosts);

/* The first that it is, or NULL. `name`: without a port; empty: none was said. */
const struct external_host *external_hosts_find(const struct external_hosts *hosts,
                                                const struct sockaddr_any *destination,
                                                struct slice name);

/* "api.example" of "api.example:443" and of "API.example." as they stand in a request; the slice is
 * of `authority`. */
struct slice external_host_name(struct slice authority);

#endif
