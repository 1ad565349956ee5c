#include "init/iptables_text.h"

#include <arpa/inet.h>
#include <string.h>

static const struct {
    const char *builtin, *ours;
} chains[2] = {
    [RULE_OUTPUT] = {"OUTPUT", "OUTRIGGER_OUTPUT"},
    [RULE_PREROUTING] = {"PREROUTING", "OUTRIGGER_PREROUTING"},
};

static void format_jump(char text[96], const char *verb, int chain)
{
    snprintf(text, 96, "-%s %s -p tcp -j %s", verb, chains[chain].builtin, chains[chain].ours);
}

/* Takes a line, without its end, from the front of `text`; false when nothing is left. */
static bool take_line(struct slice *text, struct slice *line)
{
    if (text->len == 0)
        return false;
    const char *end = memchr(text->ptr, '\n', text->len);
    size_t len = end ? (size_t)(end - text->ptr) : text->len;
    *line = slice_sub(*text, 0, len);
    *text = slice_sub(*text, end ? len + 1 : len, text->len);
    return true;
}

struct iptables_state iptables_text_state(struct slice saved)
{
    struct iptables_state state = {.jumps = {0}};
    struct slice line;
    while (take_line(&saved, &line)) {
        for (int chain = 0; chain < 2; chain++) {
            char declared[64], jump[96];
            snprintf(declared, sizeof(declared), ":%s ", chains[chain].ours);
            format_jump(jump, "A", chain);
            state.has_chain[chain] |= slice_starts_with(line, slice_str(declared));
            state.jumps[chain] += slice_eq_str(line, jump);
        }
    }
    return state;
}

/* ---- ranges of addresses as blocks, which is all that iptables takes without another module ----
 */

static bool bit_at(const uint8_t *key, size_t bit)
{
    return key[bit / 8] & (0x80u >> (bit % 8));
}

/* The last address of the block that begins at `first`. */
static void block_last(const uint8_t *first, size_t bytes, size_t prefix, uint8_t *last)
{
    memcpy(last, first, bytes);
    for (size_t bit = prefix; bit < bytes * 8; bit++)
        last[bit / 8] |= (uint8_t)(0x80u >> (bit % 8));
}

/* The length of the largest block that begins at `first` and does not pass `last`. */
static size_t block_prefix(const uint8_t *first, const uint8_t *last, size_t bytes)
{
    uint8_t end[RULE_KEY_BYTES];
    size_t prefix = bytes * 8;
    while (prefix > 0 && !bit_at(first, prefix - 1)) {
        block_last(first, bytes, prefix - 1, end);
        if (memcmp(end, last, bytes) > 0)
            break;
        prefix--;
    }
    return prefix;
}

static void write_end(const struct rule *rule, FILE *out)
{
    if (rule->redirect_port)
        fprintf(out, " -j REDIRECT --to-ports %u\n", rule->redirect_port);
    else
        fputs(" -j RETURN\n", out);
}

static void write_blocks(const struct rule *rule, const struct rule_element *element, FILE *out)
{
    size_t bytes = rules_key_bytes(rule->set->type);
    uint8_t first[RULE_KEY_BYTES], end[RULE_KEY_BYTES];
    char text[INET6_ADDRSTRLEN];
    memcpy(first, element->first, bytes);
    for (;;) {
        size_t prefix = block_prefix(first, element->last, bytes);
        inet_ntop(bytes == 4 ? AF_INET : AF_INET6, first, text, sizeof(text));
        fprintf(out, "-A %s", chains[rule->chain].ours);
        if (prefix > 0) /* which would say nothing, and is not saved */
            fprintf(out, " -d %s/%zu", text, prefix);
        fputs(rule->redirect_port ? " -p tcp" : "", out);
        write_end(rule, out);
        block_last(first, bytes, prefix, end);
        if (memcmp(end, element->last, bytes) >= 0)
            return;
        for (size_t i = bytes; i-- > 0 && ++end[i] == 0;)
            ;
        memcpy(first, end, bytes);
    }
}

/* iptables has no sets of its own: a rule for each element. */
static void write_element(const struct rule *rule, const struct rule_element *element, FILE *out)
{
    uint32_t id;
    memcpy(&id, element->first, sizeof(id));
    unsigned first = element->first[0] * 256u + element->first[1];
    unsigned last = element->last[0] * 256u + element->last[1];
    if (rule->set->type == RULE_SET_IP4 || rule->set->type == RULE_SET_IP6) {
        write_blocks(rule, element, out);
        return;
    }
    fprintf(out, "-A %s ", chains[rule->chain].ours);
    switch (rule->set->type) {
    case RULE_SET_UID:
        fprintf(out, "-m owner --uid-owner %u", id);
        break;
    case RULE_SET_GID:
        fprintf(out, "-m owner --gid-owner %u", id);
        break;
    case RULE_SET_INTERFACE:
        fprintf(out, "-%c %.*s", rule->chain == RULE_OUTPUT ? 'o' : 'i', IFNAMSIZ,
                (const char *)element->first);
        break;
    case RULE_SET_PORT:
        fprintf(out, first == last ? "-p tcp -m tcp --dport %u" : "-p tcp -m tcp --dport %u:%u",
                first, last);
        break;
    case RULE_SET_IP4:
    case RULE_SET_IP6:
        break;
    }
    write_end(rule, out);
}

static void write_rule(const struct rule *rule, int family, FILE *out)
{
    const char *ours = chains[rule->chain].ours;
    switch (rule->match) {
    case RULE_MATCH_MARK:
        fprintf(out, "-A %s -m mark --mark 0x%x", ours, rule->mark);
        write_end(rule, out);
        break;
    case RULE_MATCH_TCP:
        fprintf(out, "-A %s -p tcp", ours);
        write_end(rule, out);
        break;
    case RULE_MATCH_SET:
        if (rule->set->type == (family == AF_INET ? RULE_SET_IP6 : RULE_SET_IP4))
            return;
        for (size_t i = 0; i < rule->set->n; i++)
            write_element(rule, &rule->set->elements[i], out);
        break;
    }
}

/* A declared chain is made, or emptied when it is there. */
static void write_declarations(FILE *out)
{
    fputs("*nat\n", out);
    for (int chain = 0; chain < 2; chain++)
        fprintf(out, ":%s - [0:0]\n", chains[chain].ours);
}

static void write_jumps(const char *verb, int chain, size_t n, FILE *out)
{
    char jump[96];
    format_jump(jump, verb, chain);
    for (size_t i = 0; i < n; i++)
        fprintf(out, "%s\n", jump);
}

void iptables_text_apply(const struct rules *rules, int family, const struct iptables_state *state,
                         FILE *out)
{
    write_declarations(out);
    for (size_t i = 0; i < rules->n_rules; i++)
        write_rule(&rules->rules[i], family, out);
    for (int chain = 0; chain < 2; chain++) {
        size_t jumps = state->jumps[chain];
        write_jumps("A", chain, jumps == 0 ? 1 : 0, out);
        write_jumps("D", chain, jumps > 1 ? jumps - 1 : 0, out);
    }
    fputs("COMMIT\n", out);
}

void iptables_text_delete(const struct iptables_state *state, FILE *out)
{
    write_declarations(out);
    for (int chain = 0; chain < 2; chain++) {
        write_jumps("D", chain, state->jumps[chain], out);
        fprintf(out, "-X %s\n", chains[chain].ours);
    }
    fputs("COMMIT\n", out);
}

/* ---- reading back ---- */

/* The next line of `text` that is a rule of our chain; an empty one at the end. */
static struct slice take_rule(struct slice *text, int chain)
{
    char start[64];
    struct slice line;
    snprintf(start, sizeof(start), "-A %s ", chains[chain].ours);
    while (take_line(text, &line))
        if (slice_starts_with(line, slice_str(start)))
            return line;
    return slice_of(NULL, 0);
}

static bool check_chain(struct slice written, struct slice saved, int chain, struct err *err)
{
    for (;;) {
        struct slice expected = take_rule(&written, chain), found = take_rule(&saved, chain);
        if (!slice_eq(expected, found))
            return err_set(err, "chain %s has \"%.*s\" where \"%.*s\" was written",
                           chains[chain].ours, SLICE_ARG(found), SLICE_ARG(expected));
        if (expected.len == 0)
            return true;
    }
}

bool iptables_text_check(struct slice written, struct slice saved, struct err *err)
{
    struct iptables_state state = iptables_text_state(saved);
    for (int chain = 0; chain < 2; chain++) {
        if (!state.has_chain[chain])
            return err_set(err, "there is no chain %s", chains[chain].ours);
        if (!check_chain(written, saved, chain, err))
            return false;
        if (state.jumps[chain] != 1)
            return err_set(err, "%zu rules of %s lead to %s; expected one", state.jumps[chain],
                           chains[chain].builtin, chains[chain].ours);
    }
    return true;
}
