/*
 * The redirect as a list of rules: options in, rules out, no kernel in sight. nftables, the text of
 * --dry-run and iptables are all written from this list, so that they cannot mean different things.
 *
 * A rule asks one question of a new connection and ends with one verdict; the first rule of a chain
 * that fits decides, and a connection that none fits is left alone. Pure.
 */
#ifndef OUTRIGGER_INIT_RULES_H
#define OUTRIGGER_INIT_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "init/options.h"

#define RULES_TABLE "outrigger" /* the nftables table; family inet */

enum rule_chain {
    RULE_OUTPUT,     /* what the pod opens: nat hook output */
    RULE_PREROUTING, /* what is opened to the pod: nat hook prerouting */
};

/*
 * What a set holds. Keys are as packets have them: network order for ports and addresses, host
 * order for ids, names padded with zeros.
 */
enum rule_set_type {
    RULE_SET_UID,
    RULE_SET_GID,
    RULE_SET_INTERFACE, /* the one that the packet leaves by (output) or came in by (prerouting) */
    RULE_SET_PORT,      /* TCP destination port */
    RULE_SET_IP4,       /* destination address */
    RULE_SET_IP6,
};

#define RULE_KEY_BYTES 16

/* From first to last, both inclusive; equal for ids and names, which have no ranges. */
struct rule_element {
    uint8_t first[RULE_KEY_BYTES];
    uint8_t last[RULE_KEY_BYTES];
};

struct rule_set {
    const char *name;
    enum rule_set_type type;
    struct rule_element *elements; /* ascending; ranges neither overlap nor touch */
    size_t n;                      /* at least 1 */
};

enum rule_match {
    RULE_MATCH_MARK, /* the packet's firewall mark is `mark` */
    RULE_MATCH_SET,  /* the field that `set` is about is in it */
    RULE_MATCH_TCP,  /* any TCP connection */
};

struct rule {
    enum rule_chain chain;
    enum rule_match match;
    const struct rule_set *set; /* RULE_MATCH_SET */
    uint32_t mark;              /* RULE_MATCH_MARK */
    uint16_t redirect_port; /* TCP goes to this port of this host; 0: it is left alone (return) */
};

#define RULES_MAX_SETS  16
#define RULES_MAX_RULES 24

struct rules {
    struct rule_set sets[RULES_MAX_SETS];
    size_t n_sets;
    struct rule rules[RULES_MAX_RULES]; /* output first, each chain in order */
    size_t n_rules;
    struct rule_element *elements; /* the memory of all sets */
    size_t n_elements;
};

/*
 * Makes the list. `options` has been checked and is not needed afterwards. `rules` is filled in
 * place and must not be moved, since its rules point to its sets; rules_fini() frees it, also after
 * a failure. Fails only when memory is short.
 */
bool rules_init(struct rules *rules, const struct init_options *options, struct err *err) MUST_USE;
void rules_fini(struct rules *rules);

/* Bytes of a key of this type: 2, 4 or 16. */
size_t rules_key_bytes(enum rule_set_type type);

/* May elements of this type be ranges? */
bool rules_has_ranges(enum rule_set_type type);

const char *rules_chain_name(enum rule_chain chain);

/* The first packet of a TCP connection, as a chain sees it. */
struct rule_packet {
    uint32_t uid, gid, mark;
    const char *interface;
    struct sockaddr_any destination;
};

/* The port that the connection is redirected to, or 0: what the kernel would say. */
uint16_t rules_decide(const struct rules *rules, enum rule_chain chain,
                      const struct rule_packet *packet);

#endif
