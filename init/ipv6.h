#ifndef OUTRIGGER_INIT_IPV6_H
#define OUTRIGGER_INIT_IPV6_H

#include <stdbool.h>

/*
 * Can this network namespace carry IPv6? False when the kernel has none or it is switched off
 * (net.ipv6.conf.all.disable_ipv6) and no interface has an address all the same.
 */
bool ipv6_is_on(void);

#endif
