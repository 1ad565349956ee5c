/*
 * Certificate times as seconds since the epoch.
 */
#ifndef OUTRIGGER_COMMON_X509_TIME_H
#define OUTRIGGER_COMMON_X509_TIME_H

#include <openssl/asn1.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

/* False when `time` is no valid UTCTime or GeneralizedTime, or memory is short. */
bool x509_time_sec(const ASN1_TIME *time, int64_t *sec) MUST_USE;

#endif
