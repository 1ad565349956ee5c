#include "common/options.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#define OPTIONS_MAX_ROWS  96 /* of one program; a row more is our own mistake */
#define NEAREST_MAX_BYTES 48
#define NEAREST_MAX_EDITS 3
#define HELP_COLUMN       34

static const struct {
    const char *name;
    uint64_t ms;
} units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};

/* Takes digits from the front; false for none, or for a number that does not fit. */
static bool take_digits(struct slice *text, uint64_t *value)
{
    size_t n = 0;
    *value = 0;
    for (; n < text->len && text->ptr[n] >= '0' && text->ptr[n] <= '9'; n++)
        if (__builtin_mul_overflow(*value, 10, value) ||
            __builtin_add_overflow(*value, (uint64_t)(text->ptr[n] - '0'), value))
            return false;
    *text = slice_sub(*text, n, text->len);
    return n > 0;
}

bool option_parse_uint(struct slice text, uint64_t min, uint64_t max, uint64_t *value,
                       struct err *err)
{
    struct slice rest = text;
    uint64_t parsed;
    if (!take_digits(&rest, &parsed) || rest.len > 0 || parsed < min || parsed > max)
        return err_set(err, "\"%.*s\" is not a number between %" PRIu64 " and %" PRIu64,
                       SLICE_ARG(text), min, max);
    *value = parsed;
    return true;
}

const char *option_format_duration(uint64_t ms, char text[OPTION_DURATION_BYTES])
{
    size_t i = 0;
    while (ms % units[i].ms != 0 || (ms == 0 && i < 3))
        i++;
    snprintf(text, OPTION_DURATION_BYTES, "%" PRIu64 "%s", ms / units[i].ms, units[i].name);
    return text;
}

static bool duration_ms(struct slice text, uint64_t *ms)
{
    uint64_t number;
    if (!take_digits(&text, &number))
        return false;
    *ms = 0;
    if (number == 0 && text.len == 0) /* zero needs no unit */
        return true;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (slice_eq_str(text, units[i].name))
            return !__builtin_mul_overflow(number, units[i].ms, ms);
    return false;
}

bool option_parse_duration(struct slice text, uint64_t min_ms, uint64_t max_ms, uint64_t *ms,
                           struct err *err)
{
    uint64_t parsed;
    char min_text[OPTION_DURATION_BYTES], max_text[OPTION_DURATION_BYTES];
    if (!duration_ms(text, &parsed))
        return err_set(err, "\"%.*s\" is not a duration; expected a number and ms, s, m, h or d",
                       SLICE_ARG(text));
    if (parsed < min_ms || parsed > max_ms)
        return err_set(err, "%.*s is not between %s and %s", SLICE_ARG(text),
                       option_format_duration(min_ms, min_text),
                       option_format_duration(max_ms, max_text));
    *ms = parsed;
    return true;
}

/* Levenshtein's distance, by rows; more than NEAREST_MAX_EDITS where one is too long to count. */
static size_t edit_distance(struct slice a, struct slice b)
{
    size_t row[NEAREST_MAX_BYTES + 1];
    if (a.len > NEAREST_MAX_BYTES || b.len > NEAREST_MAX_BYTES)
        return NEAREST_MAX_EDITS + 1;
    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t change = diagonal + (a.ptr[i - 1] != b.ptr[j - 1]);
            diagonal = row[j];
            size_t gap = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            row[j] = change < gap ? change : gap;
        }
    }
    return row[b.len];
}

const char *option_nearest(struct slice word, const char *const *names, size_t n)
{
    const char *nearest = NULL;
    size_t least = NEAREST_MAX_EDITS + 1;
    for (size_t i = 0; i < n; i++) {
        size_t edits = edit_distance(word, slice_str(names[i]));
        /* A word that is all edits has nothing in common with the name. */
        if (edits < least && edits < word.len) {
            least = edits;
            nearest = names[i];
        }
    }
    return nearest;
}

/* Walks "a|b|c"; false at the end. */
static bool next_choice(const char **at, struct slice *choice)
{
    if (!*at)
        return false;
    const char *bar = strchr(*at, '|');
    *choice = bar ? slice_of(*at, (size_t)(bar - *at)) : slice_str(*at);
    *at = bar ? bar + 1 : NULL;
    return true;
}

static bool parse_choice(const char *choices, struct slice value, int *index, struct err *err)
{
    const char *at = choices;
    struct slice choice;
    for (int i = 0; next_choice(&at, &choice); i++)
        if (slice_eq(choice, value)) {
            *index = i;
            return true;
        }
    return err_set(err, "\"%.*s\" is none of %s", SLICE_ARG(value), choices);
}

static bool parse_flag(struct slice value, bool *flag, struct err *err)
{
    *flag = slice_eq_str(value, "true");
    if (*flag || slice_eq_str(value, "false"))
        return true;
    return err_set(err, "\"%.*s\" is neither true nor false", SLICE_ARG(value));
}

static const char *row_expects(const struct option_row *row)
{
    return row->value_name ? row->value_name : row->choices ? row->choices : "VALUE";
}

/* The other types tell in their own words that nothing is no number, no choice. */
static bool check_empty(const struct option_row *row, struct slice value, struct err *err)
{
    if (value.len > 0 || row->empty_means ||
        (row->type != OPTION_STRING && row->type != OPTION_CUSTOM))
        return true;
    return err_set(err, "the value is empty; expected %s", row_expects(row));
}

/* `value` is NUL-terminated and outlives the settings. */
static bool row_set(const struct option_row *row, const char *value, void *settings,
                    struct err *err)
{
    void *field = (char *)settings + row->offset;
    struct slice text = slice_str(value);
    bool is_ok = false;
    if (!check_empty(row, text, err))
        return err_prefix(err, "--%s", row->name);
    switch (row->type) {
    case OPTION_FLAG:
        is_ok = parse_flag(text, field, err);
        break;
    case OPTION_UINT:
        is_ok = option_parse_uint(text, row->min, row->max, field, err);
        break;
    case OPTION_DURATION:
        is_ok = option_parse_duration(text, row->min, row->max, field, err);
        break;
    case OPTION_STRING:
        *(const char **)field = value;
        is_ok = true;
        break;
    case OPTION_CHOICE:
        is_ok = parse_choice(row->choices, text, field, err);
        break;
    case OPTION_CUSTOM:
        is_ok = row->parse(field, text, err);
        break;
    }
    return is_ok || err_prefix(err, "--%s", row->name);
}

static const struct option_row *row_find(const struct option_table *table, struct slice name)
{
    for (size_t i = 0; i < table->n_rows; i++)
        if (slice_eq_str(name, table->rows[i].name))
            return &table->rows[i];
    return NULL;
}

static bool set_unknown(const struct option_table *table, struct slice name, struct err *err)
{
    const char *names[OPTIONS_MAX_ROWS + 2] = {"help", "version"};
    for (size_t i = 0; i < table->n_rows; i++)
        names[i + 2] = table->rows[i].name;
    const char *nearest = option_nearest(name, names, table->n_rows + 2);
    if (nearest)
        return err_set(err, "unknown option --%.*s; did you mean --%s?", SLICE_ARG(name), nearest);
    return err_set(err, "unknown option --%.*s; --help lists them", SLICE_ARG(name));
}

/* One run of options_parse(). */
struct run {
    const struct option_table *table;
    int argc;
    char **argv;
    void *settings;
    struct err *err;
    int at; /* the next word of argv */
    bool is_given[OPTIONS_MAX_ROWS];
};

/* The word at `at` begins with two dashes; takes it and, where it needs one, its value. */
static enum options_result run_option(struct run *run)
{
    const char *word = run->argv[run->at++] + 2;
    const char *equals = strchr(word, '=');
    struct slice name = equals ? slice_of(word, (size_t)(equals - word)) : slice_str(word);
    const char *value = equals ? equals + 1 : NULL;
    if (slice_eq_str(name, "help") && (!value || strcmp(value, "markdown") == 0))
        return OPTIONS_HELP;
    if (slice_eq_str(name, "version") && !value)
        return OPTIONS_VERSION;
    const struct option_row *row = row_find(run->table, name);
    if (!row && (slice_eq_str(name, "help") || slice_eq_str(name, "version"))) {
        err_set(run->err, "--%.*s: \"%s\" was not expected", SLICE_ARG(name), value);
        return OPTIONS_BAD;
    }
    if (!row) {
        set_unknown(run->table, name, run->err);
        return OPTIONS_BAD;
    }
    if (!value && row->type == OPTION_FLAG)
        value = "true";
    /* A forgotten value must not swallow the option behind it; --name=--value is still there. */
    if (!value && run->at < run->argc && strncmp(run->argv[run->at], "--", 2) != 0)
        value = run->argv[run->at++];
    if (!value) {
        err_set(run->err, "--%s: a value was expected: %s", row->name, row_expects(row));
        return OPTIONS_BAD;
    }
    if (run->is_given[row - run->table->rows] && !row->may_repeat) {
        err_set(run->err, "--%s: given twice; expected once", row->name);
        return OPTIONS_BAD;
    }
    run->is_given[row - run->table->rows] = true;
    return row_set(row, value, run->settings, run->err) ? OPTIONS_OK : OPTIONS_BAD;
}

/* Defaults come last, so that a list which is given replaces its default and does not add to it. */
static enum options_result run_defaults(struct run *run)
{
    for (size_t i = 0; i < run->table->n_rows; i++) {
        const struct option_row *row = &run->table->rows[i];
        if (run->is_given[i])
            continue;
        if (row->is_required) {
            err_set(run->err, "--%s is required: %s", row->name, row->help);
            return OPTIONS_BAD;
        }
        if (row->default_text && !row_set(row, row->default_text, run->settings, run->err))
            return OPTIONS_BAD;
    }
    return OPTIONS_OK;
}

enum options_result options_parse(const struct option_table *table, int argc, char **argv,
                                  void *settings, int *n_arguments, struct err *err)
{
    struct run run = {.table = table, .argc = argc, .argv = argv, .settings = settings, .err = err};
    bool is_all_words = false; /* after "--" */
    assert(table->n_rows <= OPTIONS_MAX_ROWS);
    if (n_arguments)
        *n_arguments = 0;
    for (run.at = 1; run.at < argc;) {
        char *word = argv[run.at];
        if (!is_all_words && strcmp(word, "--") == 0) {
            is_all_words = true;
            run.at++;
        } else if (!is_all_words && strncmp(word, "--", 2) == 0) {
            enum options_result result = run_option(&run);
            if (result != OPTIONS_OK)
                return result;
        } else if (!is_all_words && strcmp(word, "-h") == 0) {
            return OPTIONS_HELP;
        } else if (table->arguments && n_arguments) {
            argv[1 + (*n_arguments)++] = word;
            run.at++;
        } else {
            err_set(err, "\"%s\" was not expected; options begin with --", word);
            return OPTIONS_BAD;
        }
    }
    return run_defaults(&run);
}

bool options_wants_markdown(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help=markdown") == 0)
            return true;
    return false;
}

static const char *row_value_name(const struct option_row *row)
{
    return row->type == OPTION_FLAG ? NULL : row_expects(row);
}

static void print_meaning(const struct option_row *row, FILE *out)
{
    fputs(row->help, out);
    if (row->empty_means)
        fprintf(out, "; empty: %s", row->empty_means);
    if (row->may_repeat)
        fputs("; may be given again", out);
}

static void print_markdown(const struct option_table *table, FILE *out)
{
    fprintf(out, "| option | default | meaning |\n|---|---|---|\n");
    for (size_t i = 0; i < table->n_rows; i++) {
        const struct option_row *row = &table->rows[i];
        const char *value = row_value_name(row);
        fprintf(out, "| `--%s%s", row->name, value ? " " : "");
        for (const char *c = value; c && *c; c++)
            fprintf(out, "%s%c", *c == '|' ? "\\" : "", *c); /* a bare bar would end the cell */
        const char *shown = row->default_text && *row->default_text ? row->default_text : NULL;
        fprintf(out, "` | %s%s%s | ", shown ? "`" : "", shown ? shown : "", shown ? "`" : "");
        print_meaning(row, out);
        fprintf(out, "%s |\n", row->is_required ? " (required)" : "");
    }
}

void options_print(const struct option_table *table, bool as_markdown, FILE *out)
{
    if (as_markdown) {
        print_markdown(table, out);
        return;
    }
    fprintf(out, "Usage: %s [OPTIONS]%s%s\n\n%s\n\nOptions:\n", table->program,
            table->arguments ? " " : "", table->arguments ? table->arguments : "", table->summary);
    for (size_t i = 0; i < table->n_rows; i++) {
        const struct option_row *row = &table->rows[i];
        const char *value = row_value_name(row);
        int len = fprintf(out, "  --%s%s%s", row->name, value ? " " : "", value ? value : "");
        fprintf(out, len < HELP_COLUMN - 1 ? "%*s" : "\n%*s",
                len < HELP_COLUMN - 1 ? HELP_COLUMN - len : HELP_COLUMN, "");
        print_meaning(row, out);
        if (row->is_required)
            fprintf(out, " (required)");
        else if (row->default_text && *row->default_text && row->type != OPTION_FLAG)
            fprintf(out, " (default: %s)", row->default_text);
        fprintf(out, "\n");
    }
    fprintf(out, "  --help[=markdown]%*sthis text, or a Markdown table of the options\n",
            HELP_COLUMN - 19, "");
    fprintf(out, "  --version%*sthe version\n", HELP_COLUMN - 11, "");
}
