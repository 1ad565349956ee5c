/* For the tests of outrigger-init: its options from a command line in one string. */
#ifndef OUTRIGGER_TEST_UNIT_INIT_ARGS_H
#define OUTRIGGER_TEST_UNIT_INIT_ARGS_H

#include <string.h>

#include "init/options.h"

#define ARGS_MAX       32
#define ARGS_MAX_BYTES 1024

/* Words are separated by single blanks; the options keep nothing of the line. */
static inline enum options_result args_parse(const char *line, struct init_options *options,
                                             struct err *err)
{
    static char words[ARGS_MAX_BYTES];
    static char program[] = "outrigger-init";
    char *argv[ARGS_MAX + 1] = {program}, *rest = words;
    int argc = 1;
    size_t len = strnlen(line, sizeof(words) - 1);
    memcpy(words, line, len);
    words[len] = '\0';
    while (len > 0 && rest && argc < ARGS_MAX)
        argv[argc++] = strsep(&rest, " ");
    return init_options_parse(argc, argv, options, err);
}

#endif
