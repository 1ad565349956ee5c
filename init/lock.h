/*
 * One outrigger-init at a time in a network namespace. The lock is an abstract Unix socket: those
 * belong to the network namespace, as the rules do, need no file, and vanish with their holder.
 */
#ifndef OUTRIGGER_INIT_LOCK_H
#define OUTRIGGER_INIT_LOCK_H

#include "common/err.h"

/* Waits at most `timeout_ms` for another holder to end. A descriptor to close, or -1. */
int lock_take(int timeout_ms, struct err *err) MUST_USE;
void lock_give(int fd);

#endif
