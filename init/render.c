#include "init/render.h"

#include <arpa/inet.h>
#include <string.h>

/* "add" makes the "delete" after it succeed when there is no table; nft applies a file as a whole.
 */
void render_delete(FILE *out)
{
    fprintf(out, "table inet %s\ndelete table inet %s\n", RULES_TABLE, RULES_TABLE);
}

/* The type's name in nft, and the expression that looks it up. */
static const char *type_name(enum rule_set_type type)
{
    switch (type) {
    case RULE_SET_UID:
        return "uid";
    case RULE_SET_GID:
        return "gid";
    case RULE_SET_INTERFACE:
        return "ifname";
    case RULE_SET_PORT:
        return "inet_service";
    case RULE_SET_IP4:
        return "ipv4_addr";
    case RULE_SET_IP6:
        return "ipv6_addr";
    }
    return "";
}

static const char *match_text(enum rule_set_type type, enum rule_chain chain)
{
    switch (type) {
    case RULE_SET_UID:
        return "meta skuid";
    case RULE_SET_GID:
        return "meta skgid";
    case RULE_SET_INTERFACE:
        return chain == RULE_OUTPUT ? "oifname" : "iifname";
    case RULE_SET_PORT:
        return "tcp dport";
    case RULE_SET_IP4:
        return "ip daddr";
    case RULE_SET_IP6:
        return "ip6 daddr";
    }
    return "";
}

static void render_key(enum rule_set_type type, const uint8_t *key, FILE *out)
{
    char text[INET6_ADDRSTRLEN];
    uint32_t id;
    switch (type) {
    case RULE_SET_UID:
    case RULE_SET_GID:
        memcpy(&id, key, sizeof(id));
        fprintf(out, "%u", id);
        break;
    case RULE_SET_INTERFACE:
        fprintf(out, "\"%.*s\"", IFNAMSIZ, (const char *)key);
        break;
    case RULE_SET_PORT:
        fprintf(out, "%u", key[0] * 256u + key[1]);
        break;
    case RULE_SET_IP4:
    case RULE_SET_IP6:
        fputs(inet_ntop(type == RULE_SET_IP4 ? AF_INET : AF_INET6, key, text, sizeof(text)), out);
        break;
    }
}

static void render_set(const struct rule_set *set, FILE *out)
{
    fprintf(out, "\tset %s {\n\t\ttype %s\n\t\tflags constant%s\n\t\telements = { ", set->name,
            type_name(set->type), rules_has_ranges(set->type) ? ", interval" : "");
    for (size_t i = 0; i < set->n; i++) {
        const struct rule_element *e = &set->elements[i];
        fputs(i > 0 ? ", " : "", out);
        render_key(set->type, e->first, out);
        if (memcmp(e->first, e->last, RULE_KEY_BYTES) != 0) {
            fputs("-", out);
            render_key(set->type, e->last, out);
        }
    }
    fputs(" }\n\t}\n\n", out);
}

static void render_rule(const struct rule *rule, FILE *out)
{
    /* nft takes a redirect to a port only after TCP was matched. "tcp dport" does that by itself.
     */
    bool needs_tcp = rule->redirect_port != 0;
    fputs("\t\t", out);
    if (rule->match == RULE_MATCH_MARK) {
        fprintf(out, "meta mark 0x%08x ", rule->mark);
    } else if (rule->match == RULE_MATCH_SET) {
        fprintf(out, "%s @%s ", match_text(rule->set->type, rule->chain), rule->set->name);
        needs_tcp = needs_tcp && rule->set->type != RULE_SET_PORT;
    }
    if (needs_tcp)
        fputs("meta l4proto tcp ", out);
    if (rule->redirect_port)
        fprintf(out, "redirect to :%u\n", rule->redirect_port);
    else
        fputs("return\n", out);
}

static void render_chain(const struct rules *rules, enum rule_chain chain, FILE *out)
{
    const char *name = rules_chain_name(chain);
    fprintf(out, "\tchain %s {\n\t\ttype nat hook %s priority -100; policy accept;\n", name, name);
    for (size_t i = 0; i < rules->n_rules; i++)
        if (rules->rules[i].chain == chain)
            render_rule(&rules->rules[i], out);
    fputs("\t}\n", out);
}

void render_apply(const struct rules *rules, FILE *out)
{
    render_delete(out);
    fprintf(out, "table inet %s {\n", RULES_TABLE);
    for (size_t i = 0; i < rules->n_sets; i++)
        render_set(&rules->sets[i], out);
    render_chain(rules, RULE_OUTPUT, out);
    fputs("\n", out);
    render_chain(rules, RULE_PREROUTING, out);
    fputs("}\n", out);
}
