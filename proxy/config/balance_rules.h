/*
 * outrigger.v1.BalancingRules, and the algorithm beside it, checked.
 */
#ifndef OUTRIGGER_PROXY_CONFIG_BALANCE_RULES_H
#define OUTRIGGER_PROXY_CONFIG_BALANCE_RULES_H

#include "common/err.h"
#include "common/slice.h"
#include "proto/resources.pb-c.h"
#include "proxy/config/balancing.h"

#define HASH_ON_MAX 8

/* Fills empty rules. False with `err` naming the field; balance_rules_fini() in any case. */
bool balance_rules_build(struct balance_rules *rules, const Outrigger__V1__Service *message,
                         struct err *err) MUST_USE;
void balance_rules_fini(struct balance_rules *rules);

const char *hash_source_name(enum hash_source source); /* "header" */

#endif
