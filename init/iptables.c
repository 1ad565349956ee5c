#include "init/iptables.h"

#include <linux/capability.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "init/iptables_text.h"
#include "init/ipv6.h"
#include "init/program.h"

#define LOCK_WAIT_SECONDS "30" /* for xtables' own lock, which other programs hold for moments */

/* Distributions install iptables over either kernel interface, or both. */
static const char *const kinds[] = {"", "-legacy", "-nft"};
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

struct tool {
    const char *kind;
    int family;
};

static void tool_name(const struct tool *tool, const char *what, char name[48])
{
    snprintf(name, 48, "ip%stables%s-%s", tool->family == AF_INET6 ? "6" : "", tool->kind, what);
}

/*
 * Without a table's name, iptables-legacy-save does not bring tables into being only by looking.
 * *saved is the caller's to free, whatever the result.
 */
static enum program_result save_text(const struct tool *tool, char **saved, size_t *len,
                                     struct err *err)
{
    char name[48];
    *saved = NULL;
    *len = 0;
    tool_name(tool, "save", name);
    return program_run((const char *[]){name, NULL}, slice_of(NULL, 0), saved, len, err);
}

static enum program_result save(const struct tool *tool, struct iptables_state *state,
                                struct err *err)
{
    char *saved;
    size_t len;
    enum program_result result = save_text(tool, &saved, &len, err);
    *state = iptables_text_state(slice_of(saved, saved ? len : 0));
    free(saved);
    return result;
}

static enum program_result restore(const struct tool *tool, struct slice text, bool is_test,
                                   struct err *err)
{
    char name[48];
    tool_name(tool, "restore", name);
    const char *argv[] = {name, "-w", LOCK_WAIT_SECONDS, "--noflush", is_test ? "--test" : NULL,
                          NULL};
    return program_run(argv, text, NULL, NULL, err);
}

/* Replaces, or with `is_test` only asks whether that would be accepted. */
static enum program_result apply(const struct tool *tool, const struct rules *rules, bool is_test,
                                 struct err *err)
{
    struct iptables_state state;
    enum program_result result = save(tool, &state, err);
    if (result != PROGRAM_OK)
        return result;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    if (out)
        iptables_text_apply(rules, tool->family, &state, out);
    if (!out || fclose(out) != 0) {
        err_set(err, "out of memory for the rules");
        result = PROGRAM_FAILED;
    } else {
        result = restore(tool, slice_of(text, len), is_test, err);
    }
    free(text);
    return result;
}

/* The first kind that would take the rules. The error is that of the first kind that is there. */
static bool choose(const struct rules *rules, struct tool *tool, struct err *err)
{
    bool is_found = false;
    for (size_t i = 0; i < N_KINDS; i++) {
        struct err refusal;
        *tool = (struct tool){kinds[i], AF_INET};
        enum program_result result = apply(tool, rules, true, &refusal);
        if (result == PROGRAM_OK)
            return true;
        if (!is_found && (result == PROGRAM_FAILED || i == 0))
            *err = refusal;
        is_found |= result == PROGRAM_FAILED;
    }
    return false;
}

static bool has_net_admin(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    return syscall(SYS_capget, &header, data) != 0 ||
           data[CAP_TO_INDEX(CAP_NET_ADMIN)].effective & CAP_TO_MASK(CAP_NET_ADMIN);
}

bool iptables_apply(const struct rules *rules, bool *has_ipv6, struct err *err)
{
    struct tool tool;
    if (!choose(rules, &tool, err))
        return has_net_admin() ? false : err_prefix(err, "CAP_NET_ADMIN is missing");
    /* Both families are asked before either is changed: half a redirect is worse than none. */
    struct tool tool6 = {tool.kind, AF_INET6};
    *has_ipv6 = apply(&tool6, rules, true, err) == PROGRAM_OK;
    if (!*has_ipv6 && ipv6_is_on())
        return err_prefix(err, "IPv6 is on and would not be redirected");
    if (apply(&tool, rules, false, err) != PROGRAM_OK)
        return false;
    return !*has_ipv6 || apply(&tool6, rules, false, err) == PROGRAM_OK;
}

/* By a tool that has our chains. */
static bool check(const struct tool *tool, const struct rules *rules, struct slice saved,
                  struct err *err)
{
    const struct iptables_state none = {.jumps = {0}};
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    bool is_right = false;
    if (out)
        iptables_text_apply(rules, tool->family, &none, out);
    if (!out || fclose(out) != 0)
        err_set(err, "out of memory for the rules");
    else
        is_right = iptables_text_check(slice_of(text, len), saved, err);
    free(text);
    return is_right;
}

static bool verify_family(const struct rules *rules, int family, struct err *err)
{
    err_set(err, "no iptables has our chains");
    for (size_t i = 0; i < N_KINDS; i++) {
        struct tool tool = {kinds[i], family};
        struct err ignored;
        char *text;
        size_t len;
        bool is_read = save_text(&tool, &text, &len, &ignored) == PROGRAM_OK;
        struct slice saved = slice_of(text, is_read ? len : 0);
        bool has_ours = iptables_text_state(saved).has_chain[RULE_OUTPUT];
        bool is_right = has_ours && check(&tool, rules, saved, err);
        free(text);
        if (has_ours)
            return is_right || err_prefix(err, family == AF_INET ? "IPv4" : "IPv6");
    }
    return false;
}

bool iptables_verify(const struct rules *rules, bool has_ipv6, struct err *err)
{
    return verify_family(rules, AF_INET, err) && (!has_ipv6 || verify_family(rules, AF_INET6, err));
}

static bool delete_from(const struct tool *tool, struct err *err)
{
    struct iptables_state state;
    struct err ignored; /* a tool that cannot look has not been able to write either */
    if (save(tool, &state, &ignored) != PROGRAM_OK)
        return true;
    if (!state.has_chain[0] && !state.has_chain[1])
        return true;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    bool is_deleted = false;
    if (out)
        iptables_text_delete(&state, out);
    if (!out || fclose(out) != 0)
        err_set(err, "out of memory for the rules");
    else
        is_deleted = restore(tool, slice_of(text, len), false, err) == PROGRAM_OK;
    free(text);
    return is_deleted;
}

bool iptables_delete(struct err *err)
{
    for (size_t i = 0; i < N_KINDS; i++)
        if (!delete_from(&(struct tool){kinds[i], AF_INET}, err) ||
            !delete_from(&(struct tool){kinds[i], AF_INET6}, err))
            return false;
    return true;
}
