/*
 * outrigger: the mesh at a terminal. 0: done; 1: it could not be done, and one line says why; 2:
 * the arguments are wrong.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/inject.h"
#include "cli/options.h"
#include "common/file.h"
#include "common/std_streams.h"
#include "common/version.h"

#define EXIT_USAGE 2

static int complain(const char *message, int status)
{
    fprintf(stderr, "outrigger: %s\n", message);
    return status;
}

static void on_note(void *context, const char *text)
{
    (void)context;
    fprintf(stderr, "outrigger: %s\n", text);
}

static int printed(int status)
{
    struct err err;
    return std_streams_flush(&err) ? status : complain(err.text, EXIT_FAILURE);
}

/* ---- inject ------------------------------------------------------------------------------------
 */

static bool read_stdin(struct buf *in, struct err *err)
{
    for (;;) {
        char *room = buf_room(in, 65536);
        if (!room)
            return err_set(err, "standard input: more than %u bytes", INJECT_MAX_BYTES);
        size_t n = fread(room, 1, 65536, stdin);
        buf_added(in, n);
        if (n == 0)
            return !ferror(stdin) || err_set(err, "standard input: cannot be read");
    }
}

static bool read_file(const char *path, struct buf *in, struct err *err)
{
    size_t len;
    char *bytes = file_read(path, INJECT_MAX_BYTES, &len, NULL, err);
    bool is_read = bytes && (buf_append(in, bytes, len) || err_set(err, "%s: out of memory", path));
    free(bytes);
    return is_read;
}

static int inject(const struct cli_settings *settings)
{
    bool is_stdin = strcmp(settings->file, "-") == 0;
    struct buf in, out;
    struct err err;
    if (!inject_settings_check(&settings->inject, &err))
        return complain(err.text, EXIT_USAGE);
    buf_init(&in, INJECT_MAX_BYTES);
    buf_init(&out, INJECT_MAX_BYTES);
    bool is_good = is_stdin ? read_stdin(&in, &err) : read_file(settings->file, &in, &err);
    is_good = is_good && cli_inject(buf_slice(&in), is_stdin ? "-" : settings->file,
                                    &settings->inject, on_note, NULL, &out, &err);
    if (is_good)
        fwrite(buf_slice(&out).ptr, 1, buf_len(&out), stdout);
    buf_fini(&in);
    buf_fini(&out);
    return is_good ? printed(EXIT_SUCCESS) : complain(err.text, EXIT_FAILURE);
}

/* ---- the words ---------------------------------------------------------------------------------
 */

/* The one short option that everybody's fingers know. */
static void lengthen(int argc, char **argv)
{
    static char file[] = "--file";
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "-f") == 0)
            argv[i] = file;
}

int main(int argc, char **argv)
{
    struct cli_settings settings = {0};
    struct err err;
    int n_arguments = 0;
    std_streams_open();
    bool is_inject = argc > 1 && strcmp(argv[1], "inject") == 0;
    const struct option_table *table = is_inject ? &cli_options_inject : &cli_options;
    if (argc > 1 && argv[1][0] != '-' && !is_inject) {
        err_set(&err, "there is no command \"%s\"; see --help", argv[1]);
        return complain(err.text, EXIT_USAGE);
    }
    if (is_inject) { /* options_parse() skips one word: the program's name, or the command's */
        argc--;
        argv++;
        lengthen(argc, argv);
    }
    switch (options_parse(table, argc, argv, &settings, &n_arguments, &err)) {
    case OPTIONS_HELP:
        options_print(table, options_wants_markdown(argc, argv), stdout);
        return printed(EXIT_SUCCESS);
    case OPTIONS_VERSION:
        printf("outrigger %s\n", OUTRIGGER_VERSION);
        return printed(EXIT_SUCCESS);
    case OPTIONS_BAD:
        return complain(err.text, EXIT_USAGE);
    case OPTIONS_OK:
        break;
    }
    return is_inject ? inject(&settings) : complain("no command given; see --help", EXIT_USAGE);
}
