#include "init/nft_verify.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/set.h>

#include "init/nft.h"
#include "init/nft_rule.h"

#define DUMP_TRIES     16
#define TEXT_MAX_BYTES 256
#define REDIR_HAS_PORT 2 /* NF_NAT_RANGE_PROTO_SPECIFIED, which the kernel adds by itself */

/* ---- asking ---- */

struct question {
    uint16_t type;                                         /* NFT_MSG_GET... */
    void (*fill)(struct nlmsghdr *message, void *context); /* what is asked for; NULL: all */
    bool (*begin)(void *context); /* before the first answer; false: out of memory */
    mnl_cb_t on_answer;
    void *context;
};

/* True when the whole answer was gone through, else errno says why not. */
static bool ask_once(const struct question *question)
{
    char bytes[32 * 1024] __attribute__((aligned(NLMSG_ALIGNTO)));
    const uint32_t seq = 1;
    int going = MNL_CB_ERROR;
    struct mnl_socket *socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
    if (!socket)
        return false;
    struct nlmsghdr *message =
        nftnl_nlmsg_build_hdr(bytes, question->type, NFPROTO_INET, NLM_F_DUMP, seq);
    if (question->fill)
        question->fill(message, question->context);
    if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) == 0 &&
        mnl_socket_sendto(socket, message, message->nlmsg_len) >= 0)
        going = MNL_CB_OK;
    while (going == MNL_CB_OK) {
        ssize_t len = mnl_socket_recvfrom(socket, bytes, sizeof(bytes));
        going = len < 0 ? MNL_CB_ERROR
                        : mnl_cb_run(bytes, (size_t)len, seq, mnl_socket_get_portid(socket),
                                     question->on_answer, question->context);
    }
    int cause = errno;
    mnl_socket_close(socket);
    errno = cause;
    return going == MNL_CB_STOP;
}

/* Asks anew where somebody's change came between the parts of an answer (EINTR). */
static bool ask(const struct question *question, const char *about, struct err *err)
{
    errno = EINTR;
    for (int i = 0; i < DUMP_TRIES && errno == EINTR; i++) {
        if (!question->begin(question->context))
            errno = ENOMEM;
        else if (ask_once(question))
            return true;
    }
    return err_set_errno(err, errno, "nf_tables: reading %s", about);
}

/* ---- chains ---- */

struct chain_check {
    enum rule_chain which;
    bool is_right;
};

static bool chain_begin(void *context)
{
    ((struct chain_check *)context)->is_right = false;
    return true;
}

static bool is_ours(const char *table, const char *chain, enum rule_chain which)
{
    return table && chain && strcmp(table, RULES_TABLE) == 0 &&
           strcmp(chain, rules_chain_name(which)) == 0;
}

static int on_chain(const struct nlmsghdr *message, void *context)
{
    struct chain_check *check = context;
    uint32_t hook = check->which == RULE_OUTPUT ? NF_INET_LOCAL_OUT : NF_INET_PRE_ROUTING;
    struct nftnl_chain *chain = nftnl_chain_alloc();
    if (!chain)
        return MNL_CB_ERROR;
    bool is_read = nftnl_chain_nlmsg_parse(message, chain) == 0;
    const char *type = nftnl_chain_get_str(chain, NFTNL_CHAIN_TYPE);
    if (is_read && is_ours(nftnl_chain_get_str(chain, NFTNL_CHAIN_TABLE),
                           nftnl_chain_get_str(chain, NFTNL_CHAIN_NAME), check->which))
        check->is_right = type && strcmp(type, "nat") == 0 &&
                          nftnl_chain_get_u32(chain, NFTNL_CHAIN_HOOKNUM) == hook &&
                          nftnl_chain_get_s32(chain, NFTNL_CHAIN_PRIO) == NFT_HOOK_PRIORITY &&
                          nftnl_chain_get_u32(chain, NFTNL_CHAIN_POLICY) == NF_ACCEPT;
    nftnl_chain_free(chain);
    return is_read ? MNL_CB_OK : MNL_CB_ERROR;
}

static bool verify_chain(enum rule_chain which, struct err *err)
{
    struct chain_check check = {.which = which};
    const struct question question = {NFT_MSG_GETCHAIN, NULL, chain_begin, on_chain, &check};
    if (!ask(&question, "the chains", err))
        return false;
    return check.is_right || err_set(err, "chain %s is not there, or not hooked as it was written",
                                     rules_chain_name(which));
}

/* ---- rules ---- */

struct rule_check {
    const struct rules *rules;
    enum rule_chain chain;
    size_t next; /* of rules->rules, whatever its chain */
    unsigned n;  /* rules that were read */
    bool is_wrong;
    struct err *err; /* filled where is_wrong */
};

static bool rule_begin(void *context)
{
    struct rule_check *check = context;
    check->next = check->n = 0;
    check->is_wrong = false;
    return true;
}

static void rule_fill(struct nlmsghdr *message, void *context)
{
    const struct rule_check *check = context;
    mnl_attr_put_strz(message, NFTA_RULE_TABLE, RULES_TABLE);
    mnl_attr_put_strz(message, NFTA_RULE_CHAIN, rules_chain_name(check->chain));
}

static const struct rule *next_rule(struct rule_check *check)
{
    while (check->next < check->rules->n_rules) {
        const struct rule *rule = &check->rules->rules[check->next++];
        if (rule->chain == check->chain)
            return rule;
    }
    return NULL;
}

/* The kernel tells more of a redirect than it was told: one port is the range's end as well. */
static bool is_redirect_eq(const struct nftnl_expr *read, const struct nftnl_expr *written)
{
    uint32_t min = nftnl_expr_get_u32(read, NFTNL_EXPR_REDIR_REG_PROTO_MIN);
    return min == nftnl_expr_get_u32(written, NFTNL_EXPR_REDIR_REG_PROTO_MIN) &&
           (!nftnl_expr_is_set(read, NFTNL_EXPR_REDIR_REG_PROTO_MAX) ||
            nftnl_expr_get_u32(read, NFTNL_EXPR_REDIR_REG_PROTO_MAX) == min) &&
           (!nftnl_expr_is_set(read, NFTNL_EXPR_REDIR_FLAGS) ||
            nftnl_expr_get_u32(read, NFTNL_EXPR_REDIR_FLAGS) == REDIR_HAS_PORT);
}

/* The kernel tells flags that it was not told; those that are not told read as 0. */
static bool is_lookup_eq(const struct nftnl_expr *read, const struct nftnl_expr *written)
{
    return nftnl_expr_is_set(read, NFTNL_EXPR_LOOKUP_SET) &&
           strcmp(nftnl_expr_get_str(read, NFTNL_EXPR_LOOKUP_SET),
                  nftnl_expr_get_str(written, NFTNL_EXPR_LOOKUP_SET)) == 0 &&
           nftnl_expr_get_u32(read, NFTNL_EXPR_LOOKUP_SREG) ==
               nftnl_expr_get_u32(written, NFTNL_EXPR_LOOKUP_SREG) &&
           nftnl_expr_get_u32(read, NFTNL_EXPR_LOOKUP_FLAGS) == 0;
}

/* "redir proto_min reg 1"; "nothing" for NULL. */
static const char *expr_text(const struct nftnl_expr *expr, char text[TEXT_MAX_BYTES])
{
    if (!expr)
        return "nothing";
    int n = snprintf(text, TEXT_MAX_BYTES, "%s ", nftnl_expr_get_str(expr, NFTNL_EXPR_NAME));
    nftnl_expr_snprintf(text + n, TEXT_MAX_BYTES - (size_t)n, expr, NFTNL_OUTPUT_DEFAULT, 0);
    return text;
}

static bool is_expr_eq(const struct nftnl_expr *read, const struct nftnl_expr *written)
{
    char a[TEXT_MAX_BYTES], b[TEXT_MAX_BYTES];
    if (!read || !written)
        return read == written;
    const char *name = nftnl_expr_get_str(read, NFTNL_EXPR_NAME);
    if (strcmp(name, nftnl_expr_get_str(written, NFTNL_EXPR_NAME)) != 0)
        return false;
    if (strcmp(name, "redir") == 0)
        return is_redirect_eq(read, written);
    if (strcmp(name, "lookup") == 0)
        return is_lookup_eq(read, written);
    return strcmp(expr_text(read, a), expr_text(written, b)) == 0;
}

/* Expression by expression; false with errno when memory is short, else check->is_wrong tells. */
static bool compare(struct rule_check *check, struct nftnl_rule *read, struct nftnl_rule *written)
{
    struct nftnl_expr_iter *a = nftnl_expr_iter_create(read);
    struct nftnl_expr_iter *b = nftnl_expr_iter_create(written);
    bool is_compared = a && b;
    while (is_compared && !check->is_wrong) {
        char found[TEXT_MAX_BYTES], expected[TEXT_MAX_BYTES];
        const struct nftnl_expr *x = nftnl_expr_iter_next(a), *y = nftnl_expr_iter_next(b);
        if (!x && !y)
            break;
        if (!is_expr_eq(x, y)) {
            check->is_wrong = true;
            err_set(check->err, "rule %u of chain %s has \"%s\" where \"%s\" was written", check->n,
                    rules_chain_name(check->chain), expr_text(x, found), expr_text(y, expected));
        }
    }
    if (a)
        nftnl_expr_iter_destroy(a);
    if (b)
        nftnl_expr_iter_destroy(b);
    return is_compared;
}

static bool check_rule(struct rule_check *check, struct nftnl_rule *read)
{
    const struct rule *rule = next_rule(check);
    check->n++;
    if (!rule) {
        check->is_wrong = true;
        err_set(check->err, "chain %s has more than the %u rules that were written",
                rules_chain_name(check->chain), check->n - 1);
        return true;
    }
    struct nftnl_rule *written = nft_rule_new(rule, 0); /* sets are told apart by their names */
    bool is_checked = written && compare(check, read, written);
    if (written)
        nftnl_rule_free(written);
    return is_checked;
}

static int on_rule(const struct nlmsghdr *message, void *context)
{
    struct rule_check *check = context;
    struct nftnl_rule *rule = nftnl_rule_alloc();
    bool is_read = rule && nftnl_rule_nlmsg_parse(message, rule) == 0;
    /* Kernels before 4.9 tell the rules of all chains. */
    if (is_read && !check->is_wrong &&
        is_ours(nftnl_rule_get_str(rule, NFTNL_RULE_TABLE),
                nftnl_rule_get_str(rule, NFTNL_RULE_CHAIN), check->chain))
        is_read = check_rule(check, rule);
    if (rule)
        nftnl_rule_free(rule);
    return is_read ? MNL_CB_OK : MNL_CB_ERROR;
}

static bool verify_rules(const struct rules *rules, enum rule_chain chain, struct err *err)
{
    struct err wrong;
    struct rule_check check = {.rules = rules, .chain = chain, .err = &wrong};
    const struct question question = {NFT_MSG_GETRULE, rule_fill, rule_begin, on_rule, &check};
    if (!ask(&question, "the rules", err))
        return false;
    if (check.is_wrong) {
        *err = wrong;
        return false;
    }
    return !next_rule(&check) ||
           err_set(err, "chain %s has %u rules; expected more", rules_chain_name(chain), check.n);
}

/* ---- sets ---- */

struct set_check {
    const char *name;
    struct nftnl_set *read;
};

static bool set_begin(void *context)
{
    struct set_check *check = context;
    if (check->read)
        nftnl_set_free(check->read);
    check->read = nftnl_set_alloc();
    return check->read != NULL;
}

static void set_fill(struct nlmsghdr *message, void *context)
{
    const struct set_check *check = context;
    mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, RULES_TABLE);
    mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, check->name);
}

static int on_elements(const struct nlmsghdr *message, void *context)
{
    struct set_check *check = context;
    return nftnl_set_elems_nlmsg_parse(message, check->read) < 0 ? MNL_CB_ERROR : MNL_CB_OK;
}

/* A key of the kernel's: where a range begins, or the first key behind it. */
struct bound {
    uint8_t key[RULE_KEY_BYTES];
    bool is_end;
};

struct bounds {
    struct bound *list; /* with room for `max` */
    size_t n, max;
    size_t key_bytes;
    bool is_wrong; /* more of them than expected, or no keys of this type */
};

static int bound_cmp(const void *a, const void *b)
{
    const struct bound *x = a, *y = b;
    int order = memcmp(x->key, y->key, RULE_KEY_BYTES);
    return order ? order : (int)y->is_end - (int)x->is_end;
}

static int add_bound(struct nftnl_set_elem *element, void *context)
{
    struct bounds *bounds = context;
    uint32_t len = 0;
    const void *key = nftnl_set_elem_get(element, NFTNL_SET_ELEM_KEY, &len);
    if (!key || len != bounds->key_bytes || bounds->n == bounds->max) {
        bounds->is_wrong = true;
        return 0;
    }
    struct bound *bound = &bounds->list[bounds->n++];
    memset(bound, 0, sizeof(*bound));
    memcpy(bound->key, key, len);
    bound->is_end =
        nftnl_set_elem_is_set(element, NFTNL_SET_ELEM_FLAGS) &&
        nftnl_set_elem_get_u32(element, NFTNL_SET_ELEM_FLAGS) & NFT_SET_ELEM_INTERVAL_END;
    return 0;
}

/* Takes the last key of a range: before its end, or the last there is. */
static void range_last(const struct bound *end, size_t bytes, uint8_t last[RULE_KEY_BYTES])
{
    memset(last, 0, RULE_KEY_BYTES);
    memset(last, 0xff, end ? 0 : bytes);
    if (!end)
        return;
    memcpy(last, end->key, bytes);
    for (size_t i = bytes; i-- > 0 && last[i]-- == 0;)
        ;
}

/* The bounds are sorted, as the set's ranges are. */
static bool are_ranges_eq(const struct bounds *bounds, const struct rule_set *set)
{
    /* An end that nothing began may stand before the first range. */
    size_t at = bounds->n > 0 && bounds->list[0].is_end ? 1 : 0;
    for (size_t i = 0; i < set->n; i++) {
        uint8_t last[RULE_KEY_BYTES];
        if (at == bounds->n || bounds->list[at].is_end)
            return false;
        const struct bound *first = &bounds->list[at++];
        bool has_end = at < bounds->n && bounds->list[at].is_end;
        range_last(has_end ? &bounds->list[at++] : NULL, bounds->key_bytes, last);
        if (memcmp(first->key, set->elements[i].first, bounds->key_bytes) != 0 ||
            memcmp(last, set->elements[i].last, bounds->key_bytes) != 0)
            return false;
    }
    return at == bounds->n;
}

/* No key is twice in either. */
static bool are_keys_eq(const struct bounds *bounds, const struct rule_set *set)
{
    if (bounds->n != set->n)
        return false;
    for (size_t i = 0; i < set->n; i++) {
        struct bound key = {.is_end = false};
        memcpy(key.key, set->elements[i].first, bounds->key_bytes);
        if (!bsearch(&key, bounds->list, bounds->n, sizeof(key), bound_cmp))
            return false;
    }
    return true;
}

static bool are_elements_eq(struct nftnl_set *read, const struct rule_set *set, bool *is_eq)
{
    /* A beginning and an end each, and one more end before the first. */
    struct bounds bounds = {.max = 2 * set->n + 1, .key_bytes = rules_key_bytes(set->type)};
    bounds.list = calloc(bounds.max, sizeof(*bounds.list));
    if (!bounds.list)
        return false;
    nftnl_set_elem_foreach(read, add_bound, &bounds);
    qsort(bounds.list, bounds.n, sizeof(*bounds.list), bound_cmp);
    *is_eq = !bounds.is_wrong && (rules_has_ranges(set->type) ? are_ranges_eq(&bounds, set)
                                                              : are_keys_eq(&bounds, set));
    free(bounds.list);
    return true;
}

static bool verify_set(const struct rule_set *set, struct err *err)
{
    struct set_check check = {.name = set->name};
    const struct question question = {NFT_MSG_GETSETELEM, set_fill, set_begin, on_elements, &check};
    bool is_eq = false, is_read = ask(&question, set->name, err);
    if (is_read && !are_elements_eq(check.read, set, &is_eq))
        err_set(err, "out of memory for the elements of %s", set->name);
    else if (is_read && !is_eq)
        err_set(err, "set %s has other elements than were written", set->name);
    if (check.read)
        nftnl_set_free(check.read);
    return is_eq;
}

bool nft_verify(const struct rules *rules, struct err *err)
{
    for (size_t i = 0; i < rules->n_sets; i++)
        if (!verify_set(&rules->sets[i], err))
            return false;
    return verify_chain(RULE_OUTPUT, err) && verify_chain(RULE_PREROUTING, err) &&
           verify_rules(rules, RULE_OUTPUT, err) && verify_rules(rules, RULE_PREROUTING, err);
}
