#include "init/options.h"

#include <ctype.h>
#include <stddef.h>

/* A firewall mark is customarily written in hex. */
static bool parse_mark(void *field, struct slice value, struct err *err)
{
    uint64_t mark = 0;
    if (value.len < 3 || value.ptr[0] != '0' || (value.ptr[1] != 'x' && value.ptr[1] != 'X')) {
        if (!option_parse_uint(value, 0, UINT32_MAX, &mark, err))
            return false;
        *(uint32_t *)field = (uint32_t)mark;
        return true;
    }
    for (size_t i = 2; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if (!isxdigit(c) || value.len > 10)
            return err_set(err, "\"%.*s\" is not a mark between 0x0 and 0xffffffff",
                           SLICE_ARG(value));
        mark = mark * 16 + (uint64_t)(isdigit(c) ? c - '0' : tolower(c) - 'a' + 10);
    }
    *(uint32_t *)field = (uint32_t)mark;
    return true;
}

#define FIELD(f) offsetof(struct init_options, f)

static const struct option_row rows[] = {
    {"inbound-port", OPTION_UINT, FIELD(inbound_port), 1, 65535, "15006", .value_name = "PORT",
     .help = "where connections to the pod are redirected to"},
    {"outbound-port", OPTION_UINT, FIELD(outbound_port), 1, 65535, "15001", .value_name = "PORT",
     .help = "where connections of the application are redirected to"},
    {"admin-port", OPTION_UINT, FIELD(admin_port), 1, 65535, "15000", .value_name = "PORT",
     .help = "the proxy's admin port, which is reached straight from outside"},
    {"proxy-uid", OPTION_CUSTOM, FIELD(proxy_uids), .default_text = "1337", .value_name = "UIDS",
     .parse = lists_add_ids, .may_repeat = true, .empty_means = "none",
     .help = "users that the proxy runs as; theirs is never redirected"},
    {"proxy-gid", OPTION_CUSTOM, FIELD(proxy_gids), .value_name = "GIDS", .parse = lists_add_ids,
     .may_repeat = true,
     .help = "groups that the proxy runs as; theirs is never redirected, on any port"},
    {"proxy-mark", OPTION_CUSTOM, FIELD(proxy_mark), .default_text = "0", .value_name = "MARK",
     .parse = parse_mark,
     .help = "firewall mark of the proxy's packets, where no user tells them apart; 0: none"},
    {"skip-uids", OPTION_CUSTOM, FIELD(skip_uids), .value_name = "UIDS", .parse = lists_add_ids,
     .may_repeat = true, .help = "users whose outbound connections are left alone"},
    {"skip-inbound-ports", OPTION_CUSTOM, FIELD(skip_inbound_ports), .value_name = "PORTS",
     .parse = lists_add_ports, .may_repeat = true,
     .help = "ports and ranges (a-b) that are reached straight"},
    {"include-inbound-ports", OPTION_CUSTOM, FIELD(include_inbound_ports), .value_name = "PORTS",
     .parse = lists_add_ports, .may_repeat = true,
     .help = "redirect only what comes to these ports and ranges"},
    {"skip-outbound-ports", OPTION_CUSTOM, FIELD(skip_outbound_ports), .value_name = "PORTS",
     .parse = lists_add_ports, .may_repeat = true,
     .help = "ports and ranges that are called straight"},
    {"skip-outbound-cidrs", OPTION_CUSTOM, FIELD(skip_outbound_cidrs), .value_name = "CIDRS",
     .parse = lists_add_cidrs, .may_repeat = true, .help = "networks that are called straight"},
    {"include-outbound-cidrs", OPTION_CUSTOM, FIELD(include_outbound_cidrs), .value_name = "CIDRS",
     .parse = lists_add_cidrs, .may_repeat = true,
     .help = "redirect only what goes to these networks"},
    {"skip-interfaces", OPTION_CUSTOM, FIELD(skip_interfaces), .value_name = "NAMES",
     .parse = lists_add_interfaces, .may_repeat = true,
     .help = "interfaces left alone in both directions"},
    {"backend", OPTION_CHOICE, FIELD(backend), .default_text = "auto",
     .choices = "auto|nftables|iptables",
     .help = "how the rules get into the kernel; auto takes nftables where it works"},
    {"delete", OPTION_FLAG, FIELD(is_delete), .help = "remove the rules"},
    {"dry-run", OPTION_FLAG, FIELD(is_dry_run),
     .help = "print the rules for nft -f (or iptables-restore) and leave the kernel alone"},
    {"verify", OPTION_FLAG, FIELD(is_verify),
     .help = "then read all rules back from the kernel, and open an outbound connection to see it "
             "redirected; inbound none can be opened from inside"},
    {"log-level", OPTION_CHOICE, FIELD(log_level), .default_text = "info",
     .choices = "debug|info|warn|error", .help = "the least important lines to log"},
    {"log-format", OPTION_CHOICE, FIELD(log_format), .default_text = "text", .choices = "text|json",
     .help = "how log lines are written"},
};

const struct option_table init_options_table = {
    .program = "outrigger-init",
    .summary = "Redirects a pod's TCP connections into its proxy, or stops doing so.",
    .rows = rows,
    .n_rows = sizeof(rows) / sizeof(rows[0]),
};

static bool check_own_ports(const struct init_options *o, struct err *err)
{
    if (o->inbound_port == o->outbound_port)
        return err_set(err, "--inbound-port and --outbound-port are both %u; expected two ports",
                       (unsigned)o->inbound_port);
    if (o->admin_port == o->inbound_port || o->admin_port == o->outbound_port)
        return err_set(err,
                       "--admin-port is %u, which is a redirect port already; expected another",
                       (unsigned)o->admin_port);
    return true;
}

/* What is included must not be skipped, and the proxy's own ports have their own rule. */
static bool check_inbound_ports(const struct init_options *o, struct err *err)
{
    const uint64_t own[] = {o->inbound_port, o->outbound_port, o->admin_port};
    for (size_t i = 0; i < o->include_inbound_ports.n; i++) {
        struct port_range in = o->include_inbound_ports.ranges[i];
        const struct port_range *skip = lists_port_overlap(&o->skip_inbound_ports, in);
        if (skip)
            return err_set(err,
                           "--include-inbound-ports: %u-%u overlaps with %u-%u of "
                           "--skip-inbound-ports; expected each port in one of them",
                           in.first, in.last, skip->first, skip->last);
        for (size_t j = 0; j < 3; j++)
            if (in.first <= own[j] && own[j] <= in.last)
                return err_set(err,
                               "--include-inbound-ports: %u-%u has the proxy's own port %u in it; "
                               "expected the application's ports",
                               in.first, in.last, (unsigned)own[j]);
    }
    return true;
}

/* A hole in what is included makes sense; an included block inside of a skipped one does not. */
static bool check_cidrs(const struct init_options *o, struct err *err)
{
    for (size_t i = 0; i < o->include_outbound_cidrs.n; i++)
        for (size_t j = 0; j < o->skip_outbound_cidrs.n; j++) {
            const struct cidr *in = &o->include_outbound_cidrs.cidrs[i];
            const struct cidr *skip = &o->skip_outbound_cidrs.cidrs[j];
            char in_text[IP_TEXT_BYTES], skip_text[IP_TEXT_BYTES];
            if (skip->prefix <= in->prefix && cidr_contains(skip, &in->ip))
                return err_set(err,
                               "--include-outbound-cidrs: %s/%u lies in %s/%u of "
                               "--skip-outbound-cidrs; expected it in one of them",
                               ip_format(&in->ip, in_text), in->prefix,
                               ip_format(&skip->ip, skip_text), skip->prefix);
        }
    return true;
}

static bool check_modes(const struct init_options *o, struct err *err)
{
    if (o->is_verify && (o->is_delete || o->is_dry_run))
        return err_set(err, "--verify: nothing to verify with --%s",
                       o->is_delete ? "delete" : "dry-run");
    /* Without one of these the proxy's own connections would come back to it for ever. */
    if (o->proxy_uids.n == 0 && o->proxy_gids.n == 0 && o->proxy_mark == 0)
        return err_set(err, "nothing tells the proxy from the application; expected at least one "
                            "of --proxy-uid, --proxy-gid and --proxy-mark");
    return true;
}

enum options_result init_options_parse(int argc, char **argv, struct init_options *options,
                                       struct err *err)
{
    memset(options, 0, sizeof(*options));
    enum options_result result = options_parse(&init_options_table, argc, argv, options, NULL, err);
    if (result != OPTIONS_OK)
        return result;
    if (check_own_ports(options, err) && check_inbound_ports(options, err) &&
        check_cidrs(options, err) && check_modes(options, err))
        return OPTIONS_OK;
    return OPTIONS_BAD;
}
