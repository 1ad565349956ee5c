/* Which way the rules get into the kernel, and why; and the same three acts for either way. */
#ifndef OUTRIGGER_INIT_BACKEND_H
#define OUTRIGGER_INIT_BACKEND_H

#include "init/rules.h"

struct backend_choice {
    enum init_backend backend; /* never auto */
    char reason[256];
};

/* "nftables", "iptables". */
const char *backend_name(enum init_backend backend);

/*
 * Decides what `auto` is: nftables if the kernel accepts these very rules through it (it is asked
 * to check and forget them), else iptables. Fails only for want of permission.
 */
bool backend_choose(enum init_backend wanted, const struct rules *rules,
                    struct backend_choice *choice, struct err *err) MUST_USE;

/*
 * Writes the rules, then removes what the other backend may have left from an earlier run, which
 * would redirect a second time. *has_ipv6: were they written for IPv6?
 */
bool backend_apply(enum init_backend backend, const struct rules *rules, bool *has_ipv6,
                   struct err *err) MUST_USE;

/*
 * Reads the rules back from the kernel: are they, in both chains, exactly those that were written?
 * Else the first difference is in `err`. `has_ipv6`: of backend_apply().
 */
bool backend_verify(enum init_backend backend, const struct rules *rules, bool has_ipv6,
                    struct err *err) MUST_USE;

/* Removes the rules; `auto` of both backends. None there is no error. */
bool backend_delete(enum init_backend backend, struct err *err) MUST_USE;

#endif
