#include "init/nft_rule.h"

#include <arpa/inet.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/tcp.h>
#include <stddef.h>

#include <libnftnl/expr.h>

/* Adds an empty expression to the rule, which owns it; NULL when memory is short. */
static struct nftnl_expr *add_expr(struct nftnl_rule *rule, const char *name)
{
    struct nftnl_expr *expr = nftnl_expr_alloc(name);
    if (expr)
        nftnl_rule_add_expr(rule, expr);
    return expr;
}

static bool add_meta(struct nftnl_rule *rule, enum nft_meta_keys key)
{
    struct nftnl_expr *expr = add_expr(rule, "meta");
    if (!expr)
        return false;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_META_KEY, key);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_META_DREG, NFT_REG_1);
    return true;
}

static bool add_payload(struct nftnl_rule *rule, enum nft_payload_bases base, size_t offset,
                        size_t len)
{
    struct nftnl_expr *expr = add_expr(rule, "payload");
    if (!expr)
        return false;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_BASE, base);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_OFFSET, (uint32_t)offset);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_LEN, (uint32_t)len);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1);
    return true;
}

static bool add_equals(struct nftnl_rule *rule, const void *value, size_t len)
{
    struct nftnl_expr *expr = add_expr(rule, "cmp");
    if (!expr)
        return false;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_OP, NFT_CMP_EQ);
    return nftnl_expr_set(expr, NFTNL_EXPR_CMP_DATA, value, (uint32_t)len) == 0;
}

static bool add_lookup(struct nftnl_rule *rule, const struct rule_set *set, uint32_t set_id)
{
    struct nftnl_expr *expr = add_expr(rule, "lookup");
    if (!expr)
        return false;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_SET_ID, set_id);
    return nftnl_expr_set_str(expr, NFTNL_EXPR_LOOKUP_SET, set->name) == 0;
}

static bool add_protocol(struct nftnl_rule *rule, uint8_t protocol)
{
    return add_meta(rule, NFT_META_L4PROTO) && add_equals(rule, &protocol, sizeof(protocol));
}

/* The table is of both families; what looks into a header asks first which one it is. */
static bool add_family(struct nftnl_rule *rule, uint8_t family)
{
    return add_meta(rule, NFT_META_NFPROTO) && add_equals(rule, &family, sizeof(family));
}

/* Loads what the set is about into register 1. */
static bool add_load(struct nftnl_rule *rule, enum rule_set_type type, enum rule_chain chain)
{
    switch (type) {
    case RULE_SET_UID:
        return add_meta(rule, NFT_META_SKUID);
    case RULE_SET_GID:
        return add_meta(rule, NFT_META_SKGID);
    case RULE_SET_INTERFACE:
        return add_meta(rule, chain == RULE_OUTPUT ? NFT_META_OIFNAME : NFT_META_IIFNAME);
    case RULE_SET_PORT:
        return add_protocol(rule, IPPROTO_TCP) &&
               add_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, offsetof(struct tcphdr, dest), 2);
    case RULE_SET_IP4:
        return add_family(rule, NFPROTO_IPV4) &&
               add_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, offsetof(struct iphdr, daddr), 4);
    case RULE_SET_IP6:
        return add_family(rule, NFPROTO_IPV6) &&
               add_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, offsetof(struct ipv6hdr, daddr), 16);
    }
    return false;
}

static bool add_match(struct nftnl_rule *rule, const struct rule *r, uint32_t set_id)
{
    switch (r->match) {
    case RULE_MATCH_MARK:
        return add_meta(rule, NFT_META_MARK) && add_equals(rule, &r->mark, sizeof(r->mark));
    case RULE_MATCH_SET:
        return add_load(rule, r->set->type, r->chain) && add_lookup(rule, r->set, set_id);
    case RULE_MATCH_TCP:
        return true; /* add_redirect() asks for TCP */
    }
    return false;
}

static bool add_return(struct nftnl_rule *rule)
{
    struct nftnl_expr *expr = add_expr(rule, "immediate");
    if (!expr)
        return false;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_VERDICT, (uint32_t)NFT_RETURN);
    return true;
}

static bool add_redirect(struct nftnl_rule *rule, const struct rule *r)
{
    uint16_t port = htons(r->redirect_port);
    bool has_tcp = r->match == RULE_MATCH_SET && r->set->type == RULE_SET_PORT;
    if (!has_tcp && !add_protocol(rule, IPPROTO_TCP))
        return false;
    struct nftnl_expr *load = add_expr(rule, "immediate");
    if (!load)
        return false;
    nftnl_expr_set_u32(load, NFTNL_EXPR_IMM_DREG, NFT_REG_1);
    if (nftnl_expr_set(load, NFTNL_EXPR_IMM_DATA, &port, sizeof(port)) < 0)
        return false;
    struct nftnl_expr *redirect = add_expr(rule, "redir");
    if (!redirect)
        return false;
    nftnl_expr_set_u32(redirect, NFTNL_EXPR_REDIR_REG_PROTO_MIN, NFT_REG_1);
    return true;
}

struct nftnl_rule *nft_rule_new(const struct rule *r, uint32_t set_id)
{
    struct nftnl_rule *rule = nftnl_rule_alloc();
    if (!rule)
        return NULL;
    nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, RULES_TABLE);
    nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, rules_chain_name(r->chain));
    nftnl_rule_set_u32(rule, NFTNL_RULE_FAMILY, NFPROTO_INET);
    if (add_match(rule, r, set_id) && (r->redirect_port ? add_redirect(rule, r) : add_return(rule)))
        return rule;
    nftnl_rule_free(rule);
    return NULL;
}
