/* One rule as the kernel's expressions, the same ones that nft makes of the text of init/render.c.
 */
#ifndef OUTRIGGER_INIT_NFT_RULE_H
#define OUTRIGGER_INIT_NFT_RULE_H

#include <libnftnl/rule.h>

#include "init/rules.h"

/* NULL when memory is short. nftnl_rule_free() frees it. `set_id`: of rule->set in the same batch.
 */
struct nftnl_rule *nft_rule_new(const struct rule *rule, uint32_t set_id);

#endif
