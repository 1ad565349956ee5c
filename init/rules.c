#include "init/rules.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define LOOPBACK_ELEMENTS 1
#define ADMIN_ELEMENTS    1

size_t rules_key_bytes(enum rule_set_type type)
{
    switch (type) {
    case RULE_SET_PORT:
        return 2;
    case RULE_SET_UID:
    case RULE_SET_GID:
    case RULE_SET_IP4:
        return 4;
    case RULE_SET_INTERFACE:
    case RULE_SET_IP6:
        return 16;
    }
    return 0;
}

bool rules_has_ranges(enum rule_set_type type)
{
    return type == RULE_SET_PORT || type == RULE_SET_IP4 || type == RULE_SET_IP6;
}

const char *rules_chain_name(enum rule_chain chain)
{
    return chain == RULE_OUTPUT ? "output" : "prerouting";
}

/* ---- elements ---- */

static int element_cmp(const void *a, const void *b)
{
    const struct rule_element *x = a, *y = b;
    return memcmp(x->first, y->first, RULE_KEY_BYTES);
}

/* Ids are in host order. */
static int id_cmp(const void *a, const void *b)
{
    uint32_t x, y;
    memcpy(&x, ((const struct rule_element *)a)->first, sizeof(x));
    memcpy(&y, ((const struct rule_element *)b)->first, sizeof(y));
    return (x > y) - (x < y);
}

/* Is `next` the key after `key`, both `bytes` long and in network order? */
static bool key_follows(const uint8_t *key, const uint8_t *next, size_t bytes)
{
    uint8_t after[RULE_KEY_BYTES];
    memcpy(after, key, bytes);
    for (size_t i = bytes; i-- > 0;)
        if (++after[i] != 0)
            return memcmp(after, next, bytes) == 0;
    return false; /* `key` was the last there is */
}

/* Sorts; joins what overlaps or touches, since the kernel refuses the one and nft shows the other.
 */
static void set_normalize(struct rule_set *set)
{
    size_t bytes = rules_key_bytes(set->type), kept = 0;
    bool is_id = set->type == RULE_SET_UID || set->type == RULE_SET_GID;
    qsort(set->elements, set->n, sizeof(set->elements[0]), is_id ? id_cmp : element_cmp);
    for (size_t i = 1; i < set->n; i++) {
        struct rule_element *last = &set->elements[kept], *next = &set->elements[i];
        bool joins = memcmp(next->first, last->last, bytes) == 0;
        if (rules_has_ranges(set->type))
            joins = memcmp(next->first, last->last, bytes) <= 0 ||
                    key_follows(last->last, next->first, bytes);
        if (!joins)
            set->elements[++kept] = *next;
        else if (memcmp(next->last, last->last, bytes) > 0)
            memcpy(last->last, next->last, RULE_KEY_BYTES);
    }
    set->n = kept + 1;
}

static struct rule_set *set_add(struct rules *rules, const char *name, enum rule_set_type type)
{
    assert(rules->n_sets < RULES_MAX_SETS);
    struct rule_set *set = &rules->sets[rules->n_sets++];
    *set = (struct rule_set){name, type, rules->elements + rules->n_elements, 0};
    return set;
}

/* Elements are added to the newest set only; rules_init() has counted how many there can be. */
static void set_add_range(struct rules *rules, struct rule_set *set, const void *first,
                          const void *last)
{
    struct rule_element *element = &rules->elements[rules->n_elements++];
    memcpy(element->first, first, rules_key_bytes(set->type));
    memcpy(element->last, last, rules_key_bytes(set->type));
    set->n++;
}

static void set_add_cidr(struct rules *rules, struct rule_set *set, const struct cidr *cidr)
{
    uint8_t last[RULE_KEY_BYTES];
    size_t bytes = rules_key_bytes(set->type);
    memcpy(last, cidr->ip.bytes, bytes);
    for (size_t bit = cidr->prefix; bit < bytes * 8; bit++)
        last[bit / 8] |= (uint8_t)(0x80u >> (bit % 8));
    set_add_range(rules, set, cidr->ip.bytes, last);
}

static void set_add_ports(struct rules *rules, struct rule_set *set, const struct port_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        uint16_t first = htons(list->ranges[i].first), last = htons(list->ranges[i].last);
        set_add_range(rules, set, &first, &last);
    }
}

/* ---- rules ---- */

static void rule_add(struct rules *rules, struct rule rule)
{
    assert(rules->n_rules < RULES_MAX_RULES);
    rules->rules[rules->n_rules++] = rule;
}

static void rule_add_set(struct rules *rules, enum rule_chain chain, struct rule_set *set,
                         uint16_t redirect_port)
{
    set_normalize(set);
    rule_add(rules, (struct rule){chain, RULE_MATCH_SET, set, 0, redirect_port});
}

static void add_ids(struct rules *rules, const char *name, enum rule_set_type type,
                    const struct id_list *list)
{
    if (list->n == 0)
        return;
    struct rule_set *set = set_add(rules, name, type);
    for (size_t i = 0; i < list->n; i++)
        set_add_range(rules, set, &list->ids[i], &list->ids[i]);
    rule_add_set(rules, RULE_OUTPUT, set, 0);
}

/* Both families' names, v4 first. A family that the list has nothing of gets no rule. */
static void add_cidrs(struct rules *rules, const char *const names[2], const struct cidr_list *list,
                      uint16_t redirect_port)
{
    static const struct {
        int family;
        enum rule_set_type type;
    } families[] = {{AF_INET, RULE_SET_IP4}, {AF_INET6, RULE_SET_IP6}};
    for (size_t f = 0; f < 2; f++) {
        struct rule_set *set = NULL;
        for (size_t i = 0; i < list->n; i++) {
            if (list->cidrs[i].ip.family != families[f].family)
                continue;
            set = set ? set : set_add(rules, names[f], families[f].type);
            set_add_cidr(rules, set, &list->cidrs[i]);
        }
        if (set)
            rule_add_set(rules, RULE_OUTPUT, set, redirect_port);
    }
}

static struct rule_set *add_interfaces(struct rules *rules, const struct interface_list *list)
{
    if (list->n == 0)
        return NULL;
    struct rule_set *set = set_add(rules, "skip_interfaces", RULE_SET_INTERFACE);
    for (size_t i = 0; i < list->n; i++)
        set_add_range(rules, set, list->names[i], list->names[i]);
    rule_add_set(rules, RULE_OUTPUT, set, 0);
    return set;
}

/*
 * What is the proxy's own comes first, before anything that looks at ports: a connection of the
 * proxy that is redirected to the proxy never ends. Returns by `loopback` what goes to 127.0.0.0/8
 * or ::1, which stays within the pod's own processes. A call to the pod's own address or to the VIP
 * in front of it is no such call: it goes through the proxy like any other.
 */
static void build_output(struct rules *rules, const struct init_options *o,
                         struct rule_set **interfaces, struct rule_set *loopback[2])
{
    static const char *const skipped[2] = {"skip_outbound_cidrs4", "skip_outbound_cidrs6"};
    static const char *const included[2] = {"include_outbound_cidrs4", "include_outbound_cidrs6"};
    static const struct cidr loopback4 = {.ip = {AF_INET, {127}}, .prefix = 8};
    static const struct cidr loopback6 = {.ip = {AF_INET6, {[15] = 1}}, .prefix = 128};
    if (o->proxy_mark)
        rule_add(rules, (struct rule){RULE_OUTPUT, RULE_MATCH_MARK, NULL, o->proxy_mark, 0});
    add_ids(rules, "proxy_uids", RULE_SET_UID, &o->proxy_uids);
    add_ids(rules, "proxy_gids", RULE_SET_GID, &o->proxy_gids);
    add_ids(rules, "skip_uids", RULE_SET_UID, &o->skip_uids);
    *interfaces = add_interfaces(rules, &o->skip_interfaces);
    loopback[0] = set_add(rules, "loopback4", RULE_SET_IP4);
    set_add_cidr(rules, loopback[0], &loopback4);
    rule_add_set(rules, RULE_OUTPUT, loopback[0], 0);
    loopback[1] = set_add(rules, "loopback6", RULE_SET_IP6);
    set_add_cidr(rules, loopback[1], &loopback6);
    rule_add_set(rules, RULE_OUTPUT, loopback[1], 0);
    if (o->skip_outbound_ports.n > 0) {
        struct rule_set *set = set_add(rules, "skip_outbound_ports", RULE_SET_PORT);
        set_add_ports(rules, set, &o->skip_outbound_ports);
        rule_add_set(rules, RULE_OUTPUT, set, 0);
    }
    add_cidrs(rules, skipped, &o->skip_outbound_cidrs, 0);
    uint16_t port = (uint16_t)o->outbound_port;
    if (o->include_outbound_cidrs.n > 0)
        add_cidrs(rules, included, &o->include_outbound_cidrs, port);
    else
        rule_add(rules, (struct rule){RULE_OUTPUT, RULE_MATCH_TCP, NULL, 0, port});
}

/*
 * Connections of the pod to itself never get here: netfilter asks the nat chains of one kind once
 * for each connection, and for those the output hook was asked. The loopback rules are for hosts
 * that route 127.0.0.0/8 (net.ipv4.conf.*.route_localnet).
 */
static void build_prerouting(struct rules *rules, const struct init_options *o,
                             struct rule_set *interfaces, struct rule_set *loopback[2])
{
    if (interfaces)
        rule_add(rules, (struct rule){RULE_PREROUTING, RULE_MATCH_SET, interfaces, 0, 0});
    rule_add(rules, (struct rule){RULE_PREROUTING, RULE_MATCH_SET, loopback[0], 0, 0});
    rule_add(rules, (struct rule){RULE_PREROUTING, RULE_MATCH_SET, loopback[1], 0, 0});
    struct rule_set *skipped = set_add(rules, "skip_inbound_ports", RULE_SET_PORT);
    uint16_t admin_port = htons((uint16_t)o->admin_port);
    set_add_range(rules, skipped, &admin_port, &admin_port);
    set_add_ports(rules, skipped, &o->skip_inbound_ports);
    rule_add_set(rules, RULE_PREROUTING, skipped, 0);
    uint16_t port = (uint16_t)o->inbound_port;
    if (o->include_inbound_ports.n > 0) {
        struct rule_set *included = set_add(rules, "include_inbound_ports", RULE_SET_PORT);
        set_add_ports(rules, included, &o->include_inbound_ports);
        rule_add_set(rules, RULE_PREROUTING, included, port);
    } else {
        rule_add(rules, (struct rule){RULE_PREROUTING, RULE_MATCH_TCP, NULL, 0, port});
    }
}

bool rules_init(struct rules *rules, const struct init_options *o, struct err *err)
{
    size_t max = 2 * LOOPBACK_ELEMENTS + ADMIN_ELEMENTS + o->proxy_uids.n + o->proxy_gids.n +
                 o->skip_uids.n + o->skip_interfaces.n + o->skip_outbound_ports.n +
                 o->skip_inbound_ports.n + o->include_inbound_ports.n + o->skip_outbound_cidrs.n +
                 o->include_outbound_cidrs.n;
    struct rule_set *interfaces, *loopback[2];
    memset(rules, 0, sizeof(*rules));
    rules->elements = calloc(max, sizeof(rules->elements[0]));
    if (!rules->elements)
        return err_set(err, "out of memory for %zu elements of sets", max);
    build_output(rules, o, &interfaces, loopback);
    build_prerouting(rules, o, interfaces, loopback);
    assert(rules->n_elements <= max);
    return true;
}

void rules_fini(struct rules *rules)
{
    free(rules->elements);
    memset(rules, 0, sizeof(*rules));
}

/* ---- the kernel's part, for tests and for choosing what to verify with ---- */

/* The packet's key for a set; false where the packet has none (v6 for a set of v4). */
static bool packet_key(const struct rule_packet *packet, enum rule_set_type type,
                       uint8_t key[RULE_KEY_BYTES])
{
    struct ip ip = addr_ip(&packet->destination);
    uint16_t port = htons(addr_port(&packet->destination));
    memset(key, 0, RULE_KEY_BYTES);
    switch (type) {
    case RULE_SET_UID:
        memcpy(key, &packet->uid, sizeof(packet->uid));
        return true;
    case RULE_SET_GID:
        memcpy(key, &packet->gid, sizeof(packet->gid));
        return true;
    case RULE_SET_INTERFACE:
        memcpy(key, packet->interface, strnlen(packet->interface, IFNAMSIZ - 1));
        return true;
    case RULE_SET_PORT:
        memcpy(key, &port, sizeof(port));
        return true;
    case RULE_SET_IP4:
    case RULE_SET_IP6:
        memcpy(key, ip.bytes, rules_key_bytes(type));
        return ip.family == (type == RULE_SET_IP4 ? AF_INET : AF_INET6);
    }
    return false;
}

static bool rule_fits(const struct rule *rule, const struct rule_packet *packet)
{
    uint8_t key[RULE_KEY_BYTES];
    if (rule->match == RULE_MATCH_MARK)
        return packet->mark == rule->mark;
    if (rule->match == RULE_MATCH_TCP)
        return true;
    if (!packet_key(packet, rule->set->type, key))
        return false;
    for (size_t i = 0; i < rule->set->n; i++)
        if (memcmp(rule->set->elements[i].first, key, RULE_KEY_BYTES) <= 0 &&
            memcmp(key, rule->set->elements[i].last, RULE_KEY_BYTES) <= 0)
            return true;
    return false;
}

uint16_t rules_decide(const struct rules *rules, enum rule_chain chain,
                      const struct rule_packet *packet)
{
    for (size_t i = 0; i < rules->n_rules; i++)
        if (rules->rules[i].chain == chain && rule_fits(&rules->rules[i], packet))
            return rules->rules[i].redirect_port;
    return 0;
}
