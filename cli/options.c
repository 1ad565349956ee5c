#include "cli/options.h"

#include "common/spiffe.h"

#define FIELD(name) offsetof(struct cli_settings, name)

static bool parse_trust_domain(void *field, struct slice value, struct err *err)
{
    if (!spiffe_trust_domain_ok(value))
        return err_set(err, "\"%.*s\" is not a trust domain: 1 to 255 of a-z 0-9 . _ -",
                       SLICE_ARG(value));
    *(const char **)field = value.ptr; /* of argv or of the table: ends with a NUL */
    return true;
}

static const struct option_row inject_rows[] = {
    {.name = "file",
     .type = OPTION_STRING,
     .offset = FIELD(file),
     .default_text = "-",
     .value_name = "FILE",
     .help = "manifests to read, also as -f FILE; - is standard input"},
    {.name = "trust-domain",
     .type = OPTION_CUSTOM,
     .offset = FIELD(inject.trust_domain),
     .default_text = "cluster.local",
     .value_name = "NAME",
     .parse = parse_trust_domain,
     .help = "trust domain of all identities"},
#define INJECT_BASE FIELD(inject)
    INJECT_ROWS,
#undef INJECT_BASE
};

const struct option_table cli_options = {
    .program = "outrigger",
    .summary = "The mesh at a terminal.\n\n"
               "Commands (each with its own --help):\n"
               "  outrigger inject   put the proxy into manifests, as the webhook would"};

const struct option_table cli_options_inject = {
    .program = "outrigger inject",
    .summary = "Reads manifests and prints them with the proxy in every pod that does not decline "
               "it; order and\ncomments stay. What people should know is told on stderr.",
    .rows = inject_rows,
    .n_rows = sizeof(inject_rows) / sizeof(inject_rows[0])};
