/*
 * May traffic come? What is asked by /readyz, told on `/` and counted in /metrics.
 */
#ifndef OUTRIGGER_PROXY_ADMIN_READINESS_H
#define OUTRIGGER_PROXY_ADMIN_READINESS_H

#include "common/err.h"
#include "proxy/admin/admin.h"

/*
 * True when the proxy has a certificate, its workload and its listeners, and is not draining. Else
 * `why` says in one line what is missing. Once there, a lost controller changes nothing.
 */
bool readiness_check(const struct admin_sources *sources, struct err *why) MUST_USE;

#endif
