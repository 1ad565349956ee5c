/*
 * The rules as text for iptables-restore and ip6tables-restore, and what their -save programs say
 * of rules that are there already. Pure.
 */
#ifndef OUTRIGGER_INIT_IPTABLES_TEXT_H
#define OUTRIGGER_INIT_IPTABLES_TEXT_H

#include <stdio.h>

#include "init/rules.h"

/* What of ours is in the nat table, by enum rule_chain. */
struct iptables_state {
    bool has_chain[2];
    size_t jumps[2]; /* rules in the built-in chain that lead to ours */
};

/* `saved`: what iptables-save printed. */
struct iptables_state iptables_text_state(struct slice saved);

/*
 * Has `saved`, what a -save program printed, exactly the rules of `written`, which
 * iptables_text_apply() made, in our chains, and one jump to each? Else the first difference is in
 * `err`.
 */
bool iptables_text_check(struct slice written, struct slice saved, struct err *err) MUST_USE;

/*
 * Text for `--noflush` that replaces our chains in one transaction, with the rules that concern
 * `family` (AF_INET, AF_INET6), and makes sure that exactly one jump leads to each.
 * Rules are written as the -save programs print them.
 */
void iptables_text_apply(const struct rules *rules, int family, const struct iptables_state *state,
                         FILE *out);

/* Text that removes what `state` says is there. */
void iptables_text_delete(const struct iptables_state *state, FILE *out);

#endif
