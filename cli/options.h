/*
 * The settings of `outrigger`, one table for each of its commands.
 */
#ifndef OUTRIGGER_CLI_OPTIONS_H
#define OUTRIGGER_CLI_OPTIONS_H

#include "common/options.h"
#include "controller/inject/settings.h"

struct cli_settings {
    const char *file; /* "-": standard input */
    struct inject_settings inject;
};

extern const struct option_table cli_options;        /* no command */
extern const struct option_table cli_options_inject; /* inject */

#endif
