/*
 * Where a redirected connection was going before netfilter sent it here.
 */
#ifndef OUTRIGGER_COMMON_ORIGINAL_DST_H
#define OUTRIGGER_COMMON_ORIGINAL_DST_H

#include "common/cidr.h"

/*
 * SO_ORIGINAL_DST or IP6T_SO_ORIGINAL_DST of a connected socket, by its family. False, with
 * errno, when the kernel knows of none: the connection was not redirected. A connection made
 * straight to the listener may be tracked as well; then the answer is the listener's own address.
 */
bool original_dst(int fd, struct sockaddr_any *destination) MUST_USE;

#endif
