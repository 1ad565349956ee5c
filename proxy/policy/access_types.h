/*
 * Policies as they are kept: what access_build.c makes, access.c reads and access_describe.c tells.
 * For these three only.
 */
#ifndef OUTRIGGER_PROXY_POLICY_ACCESS_TYPES_H
#define OUTRIGGER_PROXY_POLICY_ACCESS_TYPES_H

#include "proxy/policy/access.h"

enum access_action { ACCESS_ALLOW, ACCESS_DENY, ACCESS_AUDIT };

/* One value of a condition. The slices point into `text`. */
struct access_text {
    char *text;
    struct slice whole;     /* without the `*` of a prefix */
    bool is_prefix;         /* identities only */
    struct slice namespace; /* accounts only */
    struct slice account;   /* likewise */
};

struct access_texts {
    struct access_text *list;
    size_t n;
};

struct access_blocks {
    struct cidr *list;
    size_t n;
};

struct access_source {
    struct access_texts identities, accounts, namespaces;
    struct access_blocks blocks;
    bool unauthenticated;
    struct access_texts not_identities, not_accounts, not_namespaces;
    struct access_blocks not_blocks;
};

struct access_range {
    uint16_t first, last;
};

struct access_ranges {
    struct access_range *list;
    size_t n;
};

struct access_target {
    struct access_ranges ports, not_ports;
};

struct access_rule {
    struct access_source *from;
    size_t n_from;
    struct access_target *to;
    size_t n_to;
};

struct access_policy {
    char *name;
    enum access_action action;
    bool is_understood; /* false: denies everything, whatever else stands here */
    struct access_rule *rules;
    size_t n_rules;
};

struct access_policies {
    enum default_access default_access;
    struct access_policy *list;
    size_t n;
};

#endif
