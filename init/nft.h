/*
 * The rules in the kernel, through nf_tables over netlink. Everything that a call does is one
 * transaction: the kernel does all of it or nothing, and no packet ever sees a part of it. Two
 * calls at once follow each other; each replaces what it finds.
 */
#ifndef OUTRIGGER_INIT_NFT_H
#define OUTRIGGER_INIT_NFT_H

#include "init/rules.h"

#define NFT_HOOK_PRIORITY (-100) /* of both chains: NF_IP_PRI_NAT_DST */

enum nft_result {
    NFT_DONE,
    NFT_NO_PERMISSION, /* CAP_NET_ADMIN in this network namespace is missing */
    NFT_FAILED,        /* anything else, such as a kernel without nf_tables */
};

/* Replaces the table, or makes it. The error says what the kernel refused. */
enum nft_result nft_apply(const struct rules *rules, struct err *err) MUST_USE;

/* Would nft_apply() succeed? The kernel is asked to go through all of it and to forget it again. */
enum nft_result nft_check(const struct rules *rules, struct err *err) MUST_USE;

/* Removes the table; one that is not there is no error. */
enum nft_result nft_delete(struct err *err) MUST_USE;

#endif
