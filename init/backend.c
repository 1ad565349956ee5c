#include "init/backend.h"

#include <stdio.h>

#include "init/iptables.h"
#include "init/nft.h"
#include "init/nft_verify.h"

const char *backend_name(enum init_backend backend)
{
    switch (backend) {
    case INIT_BACKEND_AUTO:
        return "auto";
    case INIT_BACKEND_NFTABLES:
        return "nftables";
    case INIT_BACKEND_IPTABLES:
        return "iptables";
    }
    return "";
}

bool backend_choose(enum init_backend wanted, const struct rules *rules,
                    struct backend_choice *choice, struct err *err)
{
    choice->backend = wanted;
    snprintf(choice->reason, sizeof(choice->reason), "asked for");
    if (wanted != INIT_BACKEND_AUTO)
        return true;
    switch (nft_check(rules, err)) {
    case NFT_DONE:
        choice->backend = INIT_BACKEND_NFTABLES;
        snprintf(choice->reason, sizeof(choice->reason), "the kernel accepts the rules");
        return true;
    case NFT_NO_PERMISSION:
        return false; /* iptables would fail for the same reason */
    case NFT_FAILED:
        choice->backend = INIT_BACKEND_IPTABLES;
        snprintf(choice->reason, sizeof(choice->reason), "%.*s", (int)sizeof(choice->reason) - 1,
                 err->text);
        return true;
    }
    return false;
}

bool backend_apply(enum init_backend backend, const struct rules *rules, bool *has_ipv6,
                   struct err *err)
{
    /* Where there is no nf_tables (NFT_FAILED) there is no table either. */
    if (backend == INIT_BACKEND_IPTABLES)
        return iptables_apply(rules, has_ipv6, err) && nft_delete(err) != NFT_NO_PERMISSION;
    *has_ipv6 = true;
    return nft_apply(rules, err) == NFT_DONE && iptables_delete(err);
}

bool backend_verify(enum init_backend backend, const struct rules *rules, bool has_ipv6,
                    struct err *err)
{
    return backend == INIT_BACKEND_IPTABLES ? iptables_verify(rules, has_ipv6, err)
                                            : nft_verify(rules, err);
}

bool backend_delete(enum init_backend backend, struct err *err)
{
    if (backend == INIT_BACKEND_IPTABLES)
        return iptables_delete(err);
    enum nft_result result = nft_delete(err);
    if (result == NFT_DONE)
        return backend == INIT_BACKEND_NFTABLES || iptables_delete(err);
    return backend == INIT_BACKEND_AUTO && result == NFT_FAILED && iptables_delete(err);
}
