/*
 * Reads the table back from the kernel, over netlink, and compares it with what was written.
 */
#ifndef OUTRIGGER_INIT_NFT_VERIFY_H
#define OUTRIGGER_INIT_NFT_VERIFY_H

#include "init/rules.h"

/*
 * Are both chains there, hooked where they belong, with exactly these rules in this order, and have
 * the sets exactly these elements? Else the first difference is in `err`. A table of somebody
 * else's is not looked at.
 */
bool nft_verify(const struct rules *rules, struct err *err) MUST_USE;

#endif
