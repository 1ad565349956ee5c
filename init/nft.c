#include "init/nft.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <time.h>

#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>

#include "init/nft_rule.h"

#define BATCH_MIN_BYTES     (64 * 1024) /* far more than all tables, chains and rules take */
#define BATCH_ELEMENT_BYTES 128         /* a range is two elements of at most 52 */
#define BATCH_MAX_MESSAGES  (2 * RULES_MAX_SETS + RULES_MAX_RULES + 8)
#define BATCH_TRIES         16

/* nft's numbers for the types of keys: the kernel only keeps them, `nft list` shows by them. */
enum nft_key_type {
    KEY_IP4 = 7,
    KEY_IP6 = 8,
    KEY_PORT = 13,
    KEY_UID = 24,
    KEY_GID = 25,
    KEY_INTERFACE = 41,
};
enum nft_byte_order { ORDER_HOST = 1, ORDER_NETWORK = 2 };
#define ELEMENT_IS_OPEN 1 /* nft's flag for a range that ends with the last key there is */

struct batch {
    char *bytes;
    size_t len;
    uint32_t seq;
    uint32_t first_seq;                    /* the message whose acknowledgement is asked for */
    const char *about[BATCH_MAX_MESSAGES]; /* by sequence number: what a message is about */
};

static bool batch_init(struct batch *batch, size_t n_elements, struct err *err)
{
    size_t bytes = BATCH_MIN_BYTES + n_elements * BATCH_ELEMENT_BYTES;
    memset(batch, 0, sizeof(*batch));
    batch->bytes = calloc(1, bytes);
    if (!batch->bytes)
        return err_set(err, "out of memory for a netlink batch of %zu bytes", bytes);
    nftnl_batch_begin(batch->bytes, batch->seq++);
    batch->len = ((struct nlmsghdr *)(void *)batch->bytes)->nlmsg_len;
    batch->first_seq = batch->seq;
    return true;
}

/* Opens a message; batch_close() ends it when its payload is in. */
static struct nlmsghdr *batch_open(struct batch *batch, uint16_t type, uint16_t flags,
                                   const char *about)
{
    if (batch->seq == batch->first_seq)
        flags |= NLM_F_ACK; /* one for all: it comes when the whole batch is done */
    batch->about[batch->seq] = about;
    return nftnl_nlmsg_build_hdr(batch->bytes + batch->len, type, NFPROTO_INET, flags,
                                 batch->seq++);
}

static void batch_close(struct batch *batch, const struct nlmsghdr *message)
{
    batch->len += NLMSG_ALIGN(message->nlmsg_len);
}

static bool add_table(struct batch *batch, uint16_t type, uint16_t flags)
{
    struct nftnl_table *table = nftnl_table_alloc();
    if (!table)
        return false;
    nftnl_table_set_str(table, NFTNL_TABLE_NAME, RULES_TABLE);
    if (type == NFT_MSG_NEWTABLE)
        nftnl_table_set_u32(table, NFTNL_TABLE_FLAGS, 0);
    struct nlmsghdr *message = batch_open(batch, type, flags, "table " RULES_TABLE);
    nftnl_table_nlmsg_build_payload(message, table);
    batch_close(batch, message);
    nftnl_table_free(table);
    return true;
}

static bool add_chain(struct batch *batch, enum rule_chain which)
{
    struct nftnl_chain *chain = nftnl_chain_alloc();
    if (!chain)
        return false;
    nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, RULES_TABLE);
    nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, rules_chain_name(which));
    nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, "nat");
    nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM,
                        which == RULE_OUTPUT ? NF_INET_LOCAL_OUT : NF_INET_PRE_ROUTING);
    nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, NFT_HOOK_PRIORITY);
    nftnl_chain_set_u32(chain, NFTNL_CHAIN_POLICY, NF_ACCEPT);
    struct nlmsghdr *message = batch_open(batch, NFT_MSG_NEWCHAIN, NLM_F_CREATE,
                                          which == RULE_OUTPUT ? "chain output (type nat)"
                                                               : "chain prerouting (type nat)");
    nftnl_chain_nlmsg_build_payload(message, chain);
    batch_close(batch, message);
    nftnl_chain_free(chain);
    return true;
}

static uint32_t key_type(enum rule_set_type type)
{
    switch (type) {
    case RULE_SET_UID:
        return KEY_UID;
    case RULE_SET_GID:
        return KEY_GID;
    case RULE_SET_INTERFACE:
        return KEY_INTERFACE;
    case RULE_SET_PORT:
        return KEY_PORT;
    case RULE_SET_IP4:
        return KEY_IP4;
    case RULE_SET_IP6:
        return KEY_IP6;
    }
    return 0;
}

/* `user_flags` of 0: none. */
static bool add_element(struct nftnl_set *set, const uint8_t *key, size_t bytes, uint32_t flags,
                        uint32_t user_flags)
{
    struct nftnl_set_elem *element = nftnl_set_elem_alloc();
    if (!element)
        return false;
    nftnl_set_elem_add(set, element); /* which owns it now */
    if (flags)
        nftnl_set_elem_set_u32(element, NFTNL_SET_ELEM_FLAGS, flags);
    if (nftnl_set_elem_set(element, NFTNL_SET_ELEM_KEY, key, (uint32_t)bytes) < 0)
        return false;
    if (!user_flags)
        return true;
    struct nftnl_udata_buf *user = nftnl_udata_buf_alloc(16);
    if (!user)
        return false;
    nftnl_udata_put_u32(user, NFTNL_UDATA_SET_ELEM_FLAGS, user_flags);
    int failed = nftnl_set_elem_set(element, NFTNL_SET_ELEM_USERDATA, nftnl_udata_buf_data(user),
                                    nftnl_udata_buf_len(user));
    nftnl_udata_buf_free(user);
    return failed == 0;
}

/* The key after `key`; false when that was the last one. */
static bool key_after(const uint8_t *key, size_t bytes, uint8_t after[RULE_KEY_BYTES])
{
    memcpy(after, key, bytes);
    for (size_t i = bytes; i-- > 0;)
        if (++after[i] != 0)
            return true;
    return false;
}

/*
 * Ranges are told to the kernel by their first key and, flagged as an end, the first key behind
 * them. As nft does, a set that does not begin at the first key there is begins with an end.
 */
static bool add_ranges(struct nftnl_set *nft_set, const struct rule_set *set, uint32_t *n)
{
    static const uint8_t zero[RULE_KEY_BYTES];
    size_t bytes = rules_key_bytes(set->type);
    *n = 0;
    if (memcmp(set->elements[0].first, zero, bytes) != 0) {
        if (!add_element(nft_set, zero, bytes, NFT_SET_ELEM_INTERVAL_END, 0))
            return false;
        ++*n;
    }
    for (size_t i = 0; i < set->n; i++) {
        uint8_t after[RULE_KEY_BYTES];
        bool has_end = key_after(set->elements[i].last, bytes, after);
        if (!add_element(nft_set, set->elements[i].first, bytes, 0, has_end ? 0 : ELEMENT_IS_OPEN))
            return false;
        if (has_end && !add_element(nft_set, after, bytes, NFT_SET_ELEM_INTERVAL_END, 0))
            return false;
        *n += has_end ? 2 : 1;
    }
    return true;
}

static bool add_keys(struct nftnl_set *nft_set, const struct rule_set *set, uint32_t *n)
{
    for (size_t i = 0; i < set->n; i++)
        if (!add_element(nft_set, set->elements[i].first, rules_key_bytes(set->type), 0, 0))
            return false;
    *n = (uint32_t)set->n;
    return true;
}

static bool set_user_data(struct nftnl_set *nft_set, enum nft_byte_order order)
{
    struct nftnl_udata_buf *user = nftnl_udata_buf_alloc(16);
    if (!user)
        return false;
    nftnl_udata_put_u32(user, NFTNL_UDATA_SET_KEYBYTEORDER, order);
    int failed = nftnl_set_set_data(nft_set, NFTNL_SET_USERDATA, nftnl_udata_buf_data(user),
                                    nftnl_udata_buf_len(user));
    nftnl_udata_buf_free(user);
    return failed == 0;
}

static bool fill_set(struct nftnl_set *nft_set, const struct rule_set *set, uint32_t id)
{
    bool has_ranges = rules_has_ranges(set->type);
    uint32_t n;
    nftnl_set_set_str(nft_set, NFTNL_SET_TABLE, RULES_TABLE);
    nftnl_set_set_str(nft_set, NFTNL_SET_NAME, set->name);
    nftnl_set_set_u32(nft_set, NFTNL_SET_ID, id);
    nftnl_set_set_u32(nft_set, NFTNL_SET_FAMILY, NFPROTO_INET);
    nftnl_set_set_u32(nft_set, NFTNL_SET_FLAGS,
                      NFT_SET_CONSTANT | (has_ranges ? NFT_SET_INTERVAL : 0));
    nftnl_set_set_u32(nft_set, NFTNL_SET_KEY_TYPE, key_type(set->type));
    nftnl_set_set_u32(nft_set, NFTNL_SET_KEY_LEN, (uint32_t)rules_key_bytes(set->type));
    if (!(has_ranges ? add_ranges(nft_set, set, &n) : add_keys(nft_set, set, &n)))
        return false;
    nftnl_set_set_u32(nft_set, NFTNL_SET_DESC_SIZE, n);
    return set_user_data(nft_set, has_ranges ? ORDER_NETWORK : ORDER_HOST);
}

static bool add_set(struct batch *batch, const struct rule_set *set, uint32_t id)
{
    struct nftnl_set *nft_set = nftnl_set_alloc();
    if (!nft_set)
        return false;
    bool is_full = fill_set(nft_set, set, id);
    if (is_full) {
        struct nlmsghdr *message = batch_open(batch, NFT_MSG_NEWSET, NLM_F_CREATE, set->name);
        nftnl_set_nlmsg_build_payload(message, nft_set);
        batch_close(batch, message);
        message = batch_open(batch, NFT_MSG_NEWSETELEM, NLM_F_CREATE, set->name);
        nftnl_set_elems_nlmsg_build_payload(message, nft_set);
        batch_close(batch, message);
    }
    nftnl_set_free(nft_set);
    return is_full;
}

static bool add_rule(struct batch *batch, const struct rules *rules, const struct rule *rule)
{
    uint32_t set_id = rule->set ? (uint32_t)(rule->set - rules->sets) + 1 : 0;
    struct nftnl_rule *nft_rule = nft_rule_new(rule, set_id);
    if (!nft_rule)
        return false;
    const char *about = rule->set             ? rule->set->name
                        : rule->redirect_port ? "redirect"
                                              : "proxy mark";
    struct nlmsghdr *message =
        batch_open(batch, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, about);
    nftnl_rule_nlmsg_build_payload(message, nft_rule);
    batch_close(batch, message);
    nftnl_rule_free(nft_rule);
    return true;
}

/* Add, delete, add: the delete would fail alone, and nothing is between it and the second add. */
static bool add_all(struct batch *batch, const struct rules *rules)
{
    if (!add_table(batch, NFT_MSG_NEWTABLE, 0) || !add_table(batch, NFT_MSG_DELTABLE, 0))
        return false;
    if (!rules)
        return true;
    if (!add_table(batch, NFT_MSG_NEWTABLE, NLM_F_CREATE))
        return false;
    for (uint32_t i = 0; i < rules->n_sets; i++)
        if (!add_set(batch, &rules->sets[i], i + 1))
            return false;
    if (!add_chain(batch, RULE_OUTPUT) || !add_chain(batch, RULE_PREROUTING))
        return false;
    for (size_t i = 0; i < rules->n_rules; i++)
        if (!add_rule(batch, rules, &rules->rules[i]))
            return false;
    return true;
}

/* Goes through one datagram of answers. Returns the first error that any message got, or 0. */
static int parse_answers(const struct batch *batch, const void *bytes, int len, bool *has_answer,
                         const char **about)
{
    for (const struct nlmsghdr *m = bytes; mnl_nlmsg_ok(m, len); m = mnl_nlmsg_next(m, &len)) {
        if (m->nlmsg_type != NLMSG_ERROR || mnl_nlmsg_get_payload_len(m) < sizeof(struct nlmsgerr))
            continue;
        const struct nlmsgerr *answer = mnl_nlmsg_get_payload(m);
        *has_answer = true;
        if (answer->error == 0)
            continue;
        if (m->nlmsg_seq < BATCH_MAX_MESSAGES && batch->about[m->nlmsg_seq])
            *about = batch->about[m->nlmsg_seq];
        return -answer->error;
    }
    return 0;
}

/*
 * Reads what the kernel has answered, which is all there when the batch was sent: netlink works in
 * the sender's own call. Returns 0 or the first errno that any message got; *about says which.
 */
static int read_answers(struct mnl_socket *socket, const struct batch *batch, const char **about)
{
    char bytes[16 * 1024] __attribute__((aligned(NLMSG_ALIGNTO)));
    bool has_answer = false;
    for (;;) {
        ssize_t len = recv(mnl_socket_get_fd(socket), bytes, sizeof(bytes), MSG_DONTWAIT);
        if (len < 0 && errno == EINTR)
            continue;
        if (len < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return has_answer ? 0 : EPROTO; /* we asked for one */
        if (len < 0)
            return errno;
        int error = parse_answers(batch, bytes, (int)len, &has_answer, about);
        if (error)
            return error;
    }
}

/* Sends the batch once. Returns 0 or an errno. */
static int batch_send(const struct batch *batch, const char **about)
{
    *about = "netlink";
    struct mnl_socket *socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
    if (!socket)
        return errno;
    int error = 0;
    int room = (int)batch->len * 2; /* the kernel counts its own overhead in */
    int yes = 1;
    setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
    mnl_socket_setsockopt(socket, NETLINK_CAP_ACK, &yes, sizeof(yes)); /* no echo in an error */
    if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
        mnl_socket_sendto(socket, batch->bytes, batch->len) < 0)
        error = errno;
    else
        error = read_answers(socket, batch, about);
    mnl_socket_close(socket);
    return error;
}

/* The kernel did nothing and wants to be asked again: another one's change came between. */
static bool is_passing(int error)
{
    return error == EINTR || error == EAGAIN || error == ERESTART;
}

static enum nft_result batch_run(const struct batch *batch, struct err *err)
{
    const char *about = NULL;
    int error = EAGAIN;
    for (int i = 0; i < BATCH_TRIES && is_passing(error); i++)
        error = batch_send(batch, &about);
    if (error == 0)
        return NFT_DONE;
    if (error == EPERM) {
        err_set(err, "nf_tables: the kernel refuses; expected CAP_NET_ADMIN in this network "
                     "namespace");
        return NFT_NO_PERMISSION;
    }
    err_set_errno(err, error, "nf_tables: %s", about);
    return NFT_FAILED;
}

/* Without its end the kernel checks a batch and then undoes it. */
static enum nft_result run(const struct rules *rules, bool is_check, struct err *err)
{
    struct batch batch;
    enum nft_result result = NFT_FAILED;
    if (!batch_init(&batch, rules ? rules->n_elements : 0, err))
        return NFT_FAILED;
    if (add_all(&batch, rules)) {
        if (!is_check) {
            nftnl_batch_end(batch.bytes + batch.len, batch.seq++);
            batch.len += ((struct nlmsghdr *)(void *)(batch.bytes + batch.len))->nlmsg_len;
        }
        result = batch_run(&batch, err);
    } else {
        err_set(err, "out of memory for the rules");
    }
    free(batch.bytes);
    return result;
}

enum nft_result nft_apply(const struct rules *rules, struct err *err)
{
    return run(rules, false, err);
}

enum nft_result nft_check(const struct rules *rules, struct err *err)
{
    return run(rules, true, err);
}

enum nft_result nft_delete(struct err *err)
{
    return run(NULL, false, err);
}
