/*
 * /metrics in the Prometheus text format.
 */
#ifndef OUTRIGGER_CONTROLLER_ADMIN_METRICS_H
#define OUTRIGGER_CONTROLLER_ADMIN_METRICS_H

#include "common/admin_http.h"
#include "common/buf.h"
#include "controller/admin/sources.h"

/* Initializes `out`, which the caller frees. */
void metrics_write(const struct admin_sources *sources, const struct admin_counts *admin,
                   struct buf *out);

#endif
