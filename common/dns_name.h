/*
 * The names that Kubernetes gives to things (RFC 1123, section 2.1). Pure.
 */
#ifndef OUTRIGGER_COMMON_DNS_NAME_H
#define OUTRIGGER_COMMON_DNS_NAME_H

#include <stdbool.h>

#include "common/slice.h"

#define DNS_LABEL_MAX_BYTES 63
#define DNS_NAME_MAX_BYTES  253

/* [a-z0-9]([a-z0-9-]*[a-z0-9])?, at most 63 bytes: a namespace, a Service. */
bool dns_name_is_label(struct slice text);

/* Such labels joined by dots, at most 253 bytes: an account, a pod. */
bool dns_name_ok(struct slice text);

#endif
