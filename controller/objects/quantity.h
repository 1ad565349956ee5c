/*
 * Quantities as Kubernetes writes them: 500m, 2, 0.5, 64Mi, 1e3.
 */
#ifndef OUTRIGGER_CONTROLLER_OBJECTS_QUANTITY_H
#define OUTRIGGER_CONTROLLER_OBJECTS_QUANTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/slice.h"

/* In thousandths, rounded up, as far as UINT64_MAX. False when it is no quantity, or negative. */
bool quantity_parse(struct slice text, uint64_t *milli) MUST_USE;

#endif
