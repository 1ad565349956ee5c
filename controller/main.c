/*
 * outrigger-controller: reads the words of the command line and does what they say.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/std_streams.h"
#include "common/version.h"
#include "controller/commands.h"
#include "controller/options.h"
#include "controller/serve.h"

#define EXIT_USAGE 2

static const struct command {
    const char *name; /* NULL: no command */
    const struct option_table *table;
    int n_arguments;
} commands[] = {
    {"token", &options_token, 2},
    {"anchors", &options_anchors, 0},
    {"check", &options_check, 1},
    {NULL, &options_serve, 0},
};

/* After what prints its result: to say "done" when nobody got it would leave an empty file. */
static int printed(int status)
{
    struct err err;
    if (std_streams_flush(&err))
        return status;
    fprintf(stderr, "outrigger-controller: %s\n", err.text);
    return EXIT_FAILURE;
}

static int usage(const struct command *command, const char *message)
{
    fprintf(stderr, "%s: %s\n", command->table->program, message);
    return EXIT_USAGE;
}

static const struct command *command_find(const char *word, struct err *err)
{
    const char *names[sizeof(commands) / sizeof(commands[0])];
    const struct command *command = commands;
    for (; command->name; command++) {
        names[command - commands] = command->name;
        if (word && strcmp(word, command->name) == 0)
            return command;
    }
    if (!word || word[0] == '-')
        return command;
    const char *nearest = option_nearest(slice_str(word), names, (size_t)(command - commands));
    err_set(err, "there is no command \"%s\"; %s%s%s", word,
            nearest ? "did you mean \"" : "see --help", nearest ? nearest : "",
            nearest ? "\"?" : "");
    return NULL;
}

static int run(const struct command *command, const struct settings *settings, char **arguments)
{
    if (command->table == &options_token)
        return printed(command_token(settings, arguments[0], arguments[1]));
    if (command->table == &options_anchors)
        return printed(command_anchors(settings));
    if (command->table == &options_check)
        return printed(command_check(arguments[0]));
    return serve(settings);
}

int main(int argc, char **argv)
{
    struct err err;
    std_streams_open();
    const struct command *command = command_find(argc > 1 ? argv[1] : NULL, &err);
    if (!command) {
        fprintf(stderr, "outrigger-controller: %s\n", err.text);
        return EXIT_USAGE;
    }
    if (command->name) { /* options_parse() skips one word: the program's name, or the command's */
        argc--;
        argv++;
    }
    struct settings settings = {0};
    int n_arguments = 0;
    switch (options_parse(command->table, argc, argv, &settings, &n_arguments, &err)) {
    case OPTIONS_HELP:
        options_print(command->table, options_wants_markdown(argc, argv), stdout);
        return printed(EXIT_SUCCESS);
    case OPTIONS_VERSION:
        printf("outrigger-controller %s\n", OUTRIGGER_VERSION);
        return printed(EXIT_SUCCESS);
    case OPTIONS_BAD:
        return usage(command, err.text);
    case OPTIONS_OK:
        break;
    }
    if (n_arguments != command->n_arguments) {
        err_set(&err, "%d arguments given; expected %s (see --help)", n_arguments,
                command->table->arguments ? command->table->arguments : "none");
        return usage(command, err.text);
    }
    if (!settings_check(&settings, &err))
        return usage(command, err.text);
    return run(command, &settings, argv + 1);
}
