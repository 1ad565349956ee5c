/*
 * Which Allow policy has a say about a port? For the files of this folder only. Pure.
 */
#ifndef OUTRIGGER_PROXY_POLICY_ACCESS_COVERS_H
#define OUTRIGGER_PROXY_POLICY_ACCESS_COVERS_H

#include "proxy/policy/access_types.h"

/* Fills the covers once the policies are complete. False when memory is short. */
bool access_covers_build(struct access_policies *policies) MUST_USE;
void access_covers_free(struct access_policies *policies);

/* The first Allow policy that covers the port, whoever asks for what, or the number of policies. */
size_t access_covers_find(const struct access_policies *policies, uint16_t port);

#endif
