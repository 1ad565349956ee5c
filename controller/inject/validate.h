/*
 * An object of any kind, as the API server shows it before it is stored: kinds of outrigger.dev are
 * read as the controller will read them, and labels and annotations outrigger.dev/... of a
 * Namespace, Pod or Service are looked at. Pure.
 */
#ifndef OUTRIGGER_CONTROLLER_INJECT_VALIDATE_H
#define OUTRIGGER_CONTROLLER_INJECT_VALIDATE_H

#include <jansson.h>
#include <stdbool.h>

#include "common/err.h"

/* False with `err` where it is to be refused: "spec.action: ...". Warnings are appended. */
bool validate_object(const json_t *object, json_t *warnings, struct err *err) MUST_USE;

#endif
