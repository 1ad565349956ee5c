/*
 * Who the webhook is to the API server: a certificate with DNS names, signed by the mesh's own CA
 * and made anew at two thirds of its life, or one that is given in files and read again when they
 * change.
 */
#ifndef OUTRIGGER_CONTROLLER_WEBHOOK_TLS_H
#define OUTRIGGER_CONTROLLER_WEBHOOK_TLS_H

#include <event2/event.h>
#include <openssl/ssl.h>

#include "common/err.h"
#include "controller/ca.h"

struct webhook_tls_options {
    const char *service;   /* "outrigger-controller": its names are in the certificate */
    const char *namespace; /* "outrigger-system" */
    const char *cert_file; /* PEM, leaf first; NULL: the CA signs one */
    const char *key_file;  /* PEM */
};

struct webhook_tls;

/* The first certificate is there when this returns. `ca` and the texts must outlive it. NULL with
 * `err` filled. */
struct webhook_tls *webhook_tls_new(struct event_base *base, struct ca *ca,
                                    const struct webhook_tls_options *options, struct err *err);
void webhook_tls_free(struct webhook_tls *tls); /* NULL is allowed */

/* For the next connection; what admin_http_use_tls() wants, with the struct webhook_tls. */
SSL *webhook_tls_start(void *context);

#endif
