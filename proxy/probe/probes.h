/*
 * Asks the application what the kubelet wants to know: strict mode would refuse the kubelet, which
 * has no identity, and a TCP probe would meet the proxy. The answer is a status and one line, never
 * what the application said: everybody may ask. Main thread only.
 */
#ifndef OUTRIGGER_PROXY_PROBE_PROBES_H
#define OUTRIGGER_PROXY_PROBE_PROBES_H

#include <event2/event.h>

#include "common/admin_http.h"
#include "common/cidr.h"
#include "proxy/probe/spec.h"

#define PROBES_PATH "/app-probe/" /* of the admin port; then a spec's name */

struct probes;

/* `specs` must outlive it. `address`: the pod's. `socket_mark`: 0 for none. NULL: no memory. */
struct probes *probes_new(struct event_base *base, const struct probe_specs *specs,
                          const struct ip *address, uint32_t socket_mark);
/* What is still asked is answered with 503. */
void probes_free(struct probes *probes); /* NULL is allowed */

/* Answers the request, now or later: no name: the list of them; else 200, 404 for a name that is
 * not there, 503 with the reason. */
void probes_ask(struct probes *probes, struct slice name, struct admin_request *request);

#endif
