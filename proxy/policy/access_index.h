/*
 * Which of many rules may match a request? Each rule is filed under what it cannot match without:
 * pieces of the path, the names that its sources have, or header fields, whichever the fewest other
 * rules share; a rule with none of these is always looked at. For the files of this folder only.
 * Pure.
 */
#ifndef OUTRIGGER_PROXY_POLICY_ACCESS_INDEX_H
#define OUTRIGGER_PROXY_POLICY_ACCESS_INDEX_H

#include "proxy/policy/access_match.h"

/* Fills the indexes once the policies are complete. False when memory is short. */
bool access_index_build(struct access_policies *policies) MUST_USE;
void access_index_free(struct access_policies *policies);

/* The first policy of that action, before number `before`, that matches a request that has a head;
 * else `before`. */
size_t access_index_first(const struct access_index *index, const struct access_peer *peer,
                          size_t before);

#endif
