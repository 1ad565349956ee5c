/*
 * Policies as they are kept: what access_build.c makes, access.c reads and access_describe.c tells.
 * For the files of this folder only.
 */
#ifndef OUTRIGGER_PROXY_POLICY_ACCESS_TYPES_H
#define OUTRIGGER_PROXY_POLICY_ACCESS_TYPES_H

#include "common/regex.h"
#include "proxy/policy/access.h"

enum access_action { ACCESS_ALLOW, ACCESS_DENY, ACCESS_AUDIT };
#define ACCESS_N_ACTIONS 3

/* How the text of a condition is compared; `whole` is the text without what says so. */
enum access_match {
    ACCESS_EXACT,
    ACCESS_PREFIX, /* `*` at the end */
    ACCESS_BELOW,  /* a path with `/` and `*` at the end: `whole` and the paths below it */
    ACCESS_SUFFIX, /* a host with `*.` in front: `whole` begins with the dot */
};

/* One value of a condition. The slices point into `text`. */
struct access_text {
    char *text; /* as it was written */
    enum access_match match;
    struct slice whole;
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

/* Expressions for a whole text, beside the texts of the same condition. */
struct access_regexes {
    struct access_regex *list;
    size_t n;
};

struct access_regex {
    char *text;
    struct regex *regex;
};

struct access_header {
    char *name;
    enum field_name id;
    struct access_texts values; /* none, and no `regexes`: the field is there */
    struct access_regexes regexes;
};

struct access_headers {
    struct access_header *list;
    size_t n;
};

struct access_target {
    struct access_ranges ports, not_ports;
    bool has_request_conditions; /* any of the following */
    struct access_texts methods, paths, hosts, grpc_methods;
    struct access_regexes path_regexes; /* beside `paths` */
    struct access_texts not_methods, not_paths, not_hosts, not_grpc_methods;
    struct access_headers headers, not_headers;
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

/* What access_index.c makes of all rules of one action, to find those that may match. */
struct access_ref {
    const struct access_rule *rule;
    uint32_t policy; /* its number */
};

struct access_key {
    uint32_t hash;
    uint32_t ref; /* number of a rule in `refs` */
};

struct access_index {
    struct access_ref *refs; /* in the order of the policies */
    size_t n_refs;
    struct access_key *keys; /* by hash, then in the order of the rules */
    size_t n_keys;
    uint32_t *unkeyed; /* numbers of rules without a key, in order */
    size_t n_unkeyed;
    size_t deepest_bytes; /* the longest piece of a path that is a key */
    size_t longest_bytes; /* likewise of a header's name and value together; 0: no header is one */
};

/* Ports up to `last`, from after the one before, and the first Allow that covers them. */
struct access_cover {
    uint16_t last;
    uint16_t policy; /* ACCESS_NO_POLICY: none */
};
#define ACCESS_NO_POLICY UINT16_MAX

struct access_policies {
    enum default_access default_access;
    struct access_policy *list;
    size_t n;
    size_t not_understood; /* the first such policy, or n */
    struct access_index indexes[ACCESS_N_ACTIONS];
    struct access_cover *covers; /* none when there is no Allow */
    size_t n_covers;
};

#endif
