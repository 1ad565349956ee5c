/*
 * What people are told about a pod, though it goes on: an admission response's warnings. The API
 * server cuts what is long, so each is one short line and there are only so many.
 */
#ifndef OUTRIGGER_CONTROLLER_INJECT_WARNINGS_H
#define OUTRIGGER_CONTROLLER_INJECT_WARNINGS_H

#include <jansson.h>

#include "common/err.h"

#define WARNINGS_MAX 32

/* Appends one to the array of strings; beyond WARNINGS_MAX, or without memory, none. */
void warnings_add(json_t *warnings, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
