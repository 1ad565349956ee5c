/*
 * One endpoint, from the pod that stands behind an address, if there is one.
 */
#ifndef OUTRIGGER_CONTROLLER_COMPILE_ENDPOINT_H
#define OUTRIGGER_CONTROLLER_COMPILE_ENDPOINT_H

#include "controller/compile/context.h"
#include "controller/objects/pod.h"
#include "proto/resources.pb-c.h"

/*
 * The pod that answers at an address: one that has not finished, preferably one with an address of
 * its own, and, of several that share a node's address, preferably the one called `namespace/name`
 * (which may be "" and ""). NULL when there is none.
 */
const struct pod *endpoint_find_pod(struct compile *compile, const struct ip *ip,
                                    const char *namespace, const char *name);

/*
 * `pod` may be NULL: then nothing but the address is known, and it is dialled in plaintext. NULL
 * when memory is short. The message lives in the compilation's arena.
 */
Outrigger__V1__Endpoint *endpoint_make(struct compile *compile, const struct ip *ip, uint16_t port,
                                       const struct pod *pod);

/* How the pod itself says that it is. */
Outrigger__V1__Health endpoint_health(bool is_ready, bool is_terminating);

#endif
