/*
 * The controller's admin port: health and metrics for anyone, pages for people on this machine.
 */
#ifndef OUTRIGGER_CONTROLLER_ADMIN_ADMIN_H
#define OUTRIGGER_CONTROLLER_ADMIN_ADMIN_H

#include <event2/event.h>

#include "common/cidr.h"
#include "common/err.h"
#include "controller/admin/sources.h"

struct admin;

/* `sources` is copied. NULL with `err` filled. */
struct admin *admin_start(struct event_base *base, const struct sockaddr_any *listen,
                          const struct admin_sources *sources, struct err *err);
uint16_t admin_port(const struct admin *admin);
void admin_stop(struct admin *admin); /* NULL is let be */

#endif
