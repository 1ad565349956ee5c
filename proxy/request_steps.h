/*
 * The steps of a request, in the order of the corridor: the step, its name in logs and on
 * /connections, its function. Whoever adds one adds what /explain says of it (admin/explain.c), or
 * it does not compile.
 */
#ifndef OUTRIGGER_PROXY_REQUEST_STEPS_H
#define OUTRIGGER_PROXY_REQUEST_STEPS_H

#define REQUEST_STEPS(X)                                                                           \
    X(REQUEST_NORMALIZE, "normalize", request_normalize)                                           \
    X(REQUEST_EDIT_INBOUND, "edit", request_edit_inbound)                                          \
    X(REQUEST_AUTHENTICATE, "authenticate", request_authenticate)                                  \
    X(REQUEST_AUTHORIZE, "authorize", request_authorize)                                           \
    X(REQUEST_ASK_AUTHORIZER, "authorizer", request_ask_authorizer)                                \
    X(REQUEST_LIMIT, "limit", request_limit)                                                       \
    X(REQUEST_ASK_LIMITER, "limiter", request_ask_limiter)                                         \
    X(REQUEST_EDIT_OUTBOUND, "edit", request_edit_outbound)                                        \
    X(REQUEST_ROUTE, "route", request_route)                                                       \
    X(REQUEST_FILTER, "filter", request_filter)                                                    \
    X(REQUEST_CHOOSE_BACKEND, "backend", request_choose_backend)                                   \
    X(REQUEST_BACK_OFF, "back-off", request_back_off)                                              \
    X(REQUEST_BALANCE, "balance", request_balance)                                                 \
    X(REQUEST_CONNECT, "connect", request_connect)                                                 \
    X(REQUEST_RELAY, "relay", request_relay)

#endif
