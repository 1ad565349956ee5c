/*
 * A BIO over a non-blocking socket that raises no SIGPIPE, which the library's own does.
 */
#ifndef OUTRIGGER_COMMON_SOCKET_BIO_H
#define OUTRIGGER_COMMON_SOCKET_BIO_H

#include <openssl/bio.h>

#include "common/err.h"

/* For the socket in `*fd`, which is read at each use and stays the caller's; it must outlive the
 * BIO. NULL when memory is short. */
BIO *socket_bio_new(const int *fd) MUST_USE;

#endif
