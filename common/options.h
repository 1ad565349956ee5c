/*
 * A program's options as data: one row an option, from which parsing, `--help`, the README's table
 * (`--help=markdown`) and the fuzzer's dictionary are made.
 *
 * `--name value` and `--name=value`; a flag takes no value, or `=true` / `=false`. An empty value
 * and an option that is given again are refused where the row does not allow them: both are what
 * scripts make of a variable that is not set. What is wrong is told in one line: what, where, what
 * was expected, and for an unknown name the nearest right one.
 */
#ifndef OUTRIGGER_COMMON_OPTIONS_H
#define OUTRIGGER_COMMON_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/err.h"
#include "common/slice.h"

enum option_type {
    OPTION_FLAG,     /* bool */
    OPTION_UINT,     /* uint64_t between min and max */
    OPTION_DURATION, /* uint64_t milliseconds: "250ms", "10s", "5m", "24h", "7d"; min and max in ms
                      */
    OPTION_STRING,   /* const char *; points into argv or is the default; NULL without either */
    OPTION_CHOICE,   /* int: index into `choices` */
    OPTION_CUSTOM,   /* what `parse` makes of it */
};

struct option_row {
    const char *name; /* without the dashes */
    enum option_type type;
    size_t offset;            /* of the field in the settings struct */
    uint64_t min, max;        /* OPTION_UINT, OPTION_DURATION */
    const char *default_text; /* parsed as if given; NULL: the field stays zero */
    const char *choices;      /* "auto|nftables|iptables" */
    const char *value_name;   /* in --help: PORT, DIR, ... */
    const char *help;         /* one line, no full stop */
    /* OPTION_CUSTOM; also run on default_text. `field` is the address of the field. */
    bool (*parse)(void *field, struct slice value, struct err *err);
    bool is_required;
    bool may_repeat; /* each occurrence is set (or parsed) in turn; else the second is refused */
    const char *empty_means; /* what an empty value stands for; NULL: it is refused */
};

struct option_table {
    const char *program;   /* "outrigger-init" */
    const char *summary;   /* one sentence for the top of --help */
    const char *arguments; /* for the usage line, e.g. "NAMESPACE ACCOUNT"; NULL: none taken */
    const struct option_row *rows;
    size_t n_rows;
};

enum options_result {
    OPTIONS_OK,
    OPTIONS_HELP,    /* --help was asked for: options_print() and exit 0 */
    OPTIONS_VERSION, /* --version: print it and exit 0 */
    OPTIONS_BAD,     /* err is filled: print it on stderr and exit 2 */
};

/*
 * Fills `settings`, which the caller has zeroed, from argv[1..argc), then the defaults of what was
 * not given. A word "--" ends the options. With `arguments` in the table, words that are no options
 * are moved to the front of argv[1..] and counted in *n_arguments; else they are an error.
 */
enum options_result options_parse(const struct option_table *table, int argc, char **argv,
                                  void *settings, int *n_arguments, struct err *err) MUST_USE;

/* The --help text; as a Markdown table when `as_markdown`. */
void options_print(const struct option_table *table, bool as_markdown, FILE *out);

/* Is `--help=markdown` among the arguments? */
bool options_wants_markdown(int argc, char **argv);

/* The parsers of single values, for annotations and manifests as well. */
bool option_parse_uint(struct slice text, uint64_t min, uint64_t max, uint64_t *value,
                       struct err *err) MUST_USE;
bool option_parse_duration(struct slice text, uint64_t min_ms, uint64_t max_ms, uint64_t *ms,
                           struct err *err) MUST_USE;

/* As it would be given, in the largest unit that loses nothing: "90s", "1d", "0s". Returns `text`.
 */
#define OPTION_DURATION_BYTES 32
const char *option_format_duration(uint64_t ms, char text[OPTION_DURATION_BYTES]);

/* The one of n names that is nearest to `word` (edit distance at most 3, and something in common),
 * or NULL. */
const char *option_nearest(struct slice word, const char *const *names, size_t n);

#endif
