/*
 * The corridor for opaque TCP: one accepted connection, what is decided about it step by step, and
 * the relay of its bytes until both sides have finished. The steps are a table in tunnel.c.
 */
#ifndef OUTRIGGER_PROXY_TUNNEL_H
#define OUTRIGGER_PROXY_TUNNEL_H

#include "proxy/workspace.h"

struct tunnel;

/* Takes over `fd` (non-blocking). The tunnel lives by itself, in workspace->tunnels. */
void tunnel_accept(struct workspace *workspace, enum direction direction, int fd,
                   const struct sockaddr_any *peer);

/* Ends every tunnel of the workspace with `reason`, by RST. */
void tunnel_end_all(struct workspace *workspace, enum reason reason);

/* All tunnels as a JSON array, for /connections; new reference, NULL when memory is short. */
struct json_t *tunnel_describe_all(const struct workspace *workspace);

/* What the tunnels hold, for /memory; new reference, NULL when memory is short. */
struct json_t *tunnel_describe_memory(const struct workspace *workspace);

#endif
