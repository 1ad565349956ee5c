/*
 * outrigger-init: writes the rules that redirect a pod's TCP connections into its proxy, and ends.
 * Exit status: 0 done, 1 it could not be done, 2 wrong arguments; then one line on standard error
 * says why.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/std_streams.h"
#include "common/version.h"
#include "init/backend.h"
#include "init/iptables_text.h"
#include "init/lock.h"
#include "init/options.h"
#include "init/render.h"
#include "init/rules.h"
#include "init/verify.h"

#define EXIT_USAGE      2
#define LOCK_TIMEOUT_MS 30000

static int fail(const struct err *err, int status)
{
    fprintf(stderr, "outrigger-init: %s\n", err->text);
    return status;
}

/* For iptables as in a namespace without any rules; what is there is only known from the kernel. */
static void print_iptables(const struct rules *rules, bool is_delete)
{
    static const struct {
        int family;
        const char *program;
    } programs[] = {{AF_INET, "iptables-restore"}, {AF_INET6, "ip6tables-restore"}};
    for (size_t i = 0; i < 2; i++) {
        struct iptables_state none = {.jumps = {0}}, one = {.jumps = {1, 1}};
        printf("# %s --noflush\n", programs[i].program);
        if (is_delete)
            iptables_text_delete(&one, stdout);
        else
            iptables_text_apply(rules, programs[i].family, &none, stdout);
    }
}

static bool dry_run(const struct init_options *options, const struct rules *rules, struct err *err)
{
    if (options->backend == INIT_BACKEND_IPTABLES)
        print_iptables(rules, options->is_delete);
    else if (options->is_delete)
        render_delete(stdout);
    else
        render_apply(rules, stdout);
    return std_streams_flush(err) || err_prefix(err, "--dry-run");
}

static bool delete_rules(const struct init_options *options, struct err *err)
{
    enum init_backend backend = (enum init_backend)options->backend;
    if (!backend_delete(backend, err))
        return err_prefix(err, "--delete");
    LOG(LOG_INFO, "redirect_removed", LOG_S("backend", backend_name(backend)));
    return true;
}

static const char *verified_text(const struct verify_result *result)
{
    if (result->is_ip4_verified)
        return result->is_ip6_verified ? "ipv4,ipv6" : "ipv4";
    return result->is_ip6_verified ? "ipv6" : "no";
}

/* What comes from outside cannot be tried from inside: both chains are read back as well. */
static bool verify(const struct init_options *options, enum init_backend backend,
                   const struct rules *rules, bool has_ipv6, struct verify_result *result,
                   struct err *err)
{
    if (!backend_verify(backend, rules, has_ipv6, err))
        return err_prefix(err, "verify: what was written does not read back");
    return verify_redirect(rules, (uint16_t)options->outbound_port, result, err);
}

static bool write_rules(const struct init_options *options, const struct rules *rules,
                        struct err *err)
{
    struct backend_choice choice;
    struct verify_result verified = {.is_ip4_verified = false};
    bool has_ipv6;
    if (!backend_choose((enum init_backend)options->backend, rules, &choice, err) ||
        !backend_apply(choice.backend, rules, &has_ipv6, err))
        return false;
    if (options->is_verify && !verify(options, choice.backend, rules, has_ipv6, &verified, err))
        return false;
    LOG(LOG_INFO, "redirect_written", LOG_S("backend", backend_name(choice.backend)),
        LOG_S("reason", choice.reason), LOG_I("rules", rules->n_rules),
        LOG_S("ipv6", has_ipv6 ? "yes" : "no"), LOG_S("verified", verified_text(&verified)));
    return true;
}

/* All that touches the kernel, one process at a time. */
static bool change_rules(const struct init_options *options, const struct rules *rules,
                         struct err *err)
{
    struct err busy;
    int lock = lock_take(LOCK_TIMEOUT_MS, &busy);
    /* Each backend replaces what it finds: a lock that someone sits on is no reason to stay
     * without a redirect. */
    if (lock < 0)
        LOG(LOG_WARN, "lock_not_taken", LOG_S("error", busy.text));
    bool is_done =
        options->is_delete ? delete_rules(options, err) : write_rules(options, rules, err);
    if (lock >= 0)
        lock_give(lock);
    return is_done;
}

static int run(const struct init_options *options)
{
    struct rules rules;
    struct err err;
    bool is_done = false;
    log_setup((enum log_level)options->log_level, (enum log_format)options->log_format);
    if (rules_init(&rules, options, &err))
        is_done = options->is_dry_run ? dry_run(options, &rules, &err)
                                      : change_rules(options, &rules, &err);
    rules_fini(&rules);
    return is_done ? EXIT_SUCCESS : fail(&err, EXIT_FAILURE);
}

int main(int argc, char **argv)
{
    struct init_options options;
    struct err err;
    std_streams_open();
    switch (init_options_parse(argc, argv, &options, &err)) {
    case OPTIONS_OK:
        return run(&options);
    case OPTIONS_HELP:
        options_print(&init_options_table, options_wants_markdown(argc, argv), stdout);
        return std_streams_flush(&err) ? EXIT_SUCCESS : fail(&err, EXIT_FAILURE);
    case OPTIONS_VERSION:
        printf("outrigger-init %s\n", OUTRIGGER_VERSION);
        return std_streams_flush(&err) ? EXIT_SUCCESS : fail(&err, EXIT_FAILURE);
    case OPTIONS_BAD:
        break;
    }
    return fail(&err, EXIT_USAGE);
}
