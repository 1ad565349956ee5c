/*
 * The page for people: what is connected, what is wrong, how long the certificates last.
 */
#ifndef OUTRIGGER_CONTROLLER_ADMIN_HOME_H
#define OUTRIGGER_CONTROLLER_ADMIN_HOME_H

#include "common/buf.h"
#include "controller/admin/sources.h"

/* Initializes `out`, which the caller frees. HTML; everything from outside is escaped. */
void home_write(const struct admin_sources *sources, struct buf *out);

#endif
