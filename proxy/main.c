/*
 * outrigger-proxy: arguments in, exit code out. 0: ended as asked; 1: could not start; 2: the
 * arguments are wrong.
 */
#include <stdio.h>

#include "common/event_cells.h"
#include "common/log.h"
#include "common/log_libevent.h"
#include "common/std_streams.h"
#include "common/version.h"
#include "common/confine.h"
#include "proxy/commands.h"
#include "proxy/options.h"
#include "proxy/process.h"

static int run(const struct proxy_options *options)
{
    struct err err;
    log_setup((enum log_level)options->log_level, (enum log_format)options->log_format);
    log_libevent();
    confine_process((unsigned)options->workers + 1);
    event_cells_use((unsigned)options->workers + 1);
    struct process *process = process_start(options, &err);
    if (!process) {
        LOG(LOG_ERROR, "start_failed", LOG_S("error", err.text));
        return 1;
    }
    process_run(process);
    process_free(process);
    return 0;
}

static int printed(void)
{
    struct err err;
    if (std_streams_flush(&err))
        return 0;
    fprintf(stderr, "outrigger-proxy: %s\n", err.text);
    return 1;
}

static int run_as_told(int argc, char **argv, struct proxy_options *options)
{
    struct err err;
    int n_arguments = 0;
    switch (options_parse(&proxy_option_table, argc, argv, options, &n_arguments, &err)) {
    case OPTIONS_HELP:
        options_print(&proxy_option_table, options_wants_markdown(argc, argv), stdout);
        return printed();
    case OPTIONS_VERSION:
        printf("outrigger-proxy %s\n", OUTRIGGER_VERSION);
        return printed();
    case OPTIONS_OK:
        if (proxy_options_check(options, &err))
            return run(options);
        break;
    case OPTIONS_BAD:
        break;
    }
    fprintf(stderr, "outrigger-proxy: %s\n", err.text);
    return 2;
}

int main(int argc, char **argv)
{
    struct proxy_options options = {0};
    std_streams_open();
    const struct command *command = argc > 1 ? command_find(argv[1]) : NULL;
    if (command)
        return command_run(command, argc - 1, argv + 1);
    int status = run_as_told(argc, argv, &options);
    probe_specs_fini(&options.app_probes);
    return status;
}
