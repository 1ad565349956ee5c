/* Runs another program to its end, with bytes for its standard input and its output read back. */
#ifndef OUTRIGGER_INIT_PROGRAM_H
#define OUTRIGGER_INIT_PROGRAM_H

#include "common/err.h"
#include "common/slice.h"

enum program_result {
    PROGRAM_OK,
    PROGRAM_MISSING, /* not found on the PATH */
    PROGRAM_FAILED,  /* it did not exit with 0, or could not be started */
};

/*
 * `argv` ends with NULL; argv[0] is looked up on the PATH. *output (NULL: not wanted) is allocated,
 * *output_len bytes of at most 4 MiB, and the caller's to free, whatever the result. The error of a
 * program that failed is the first line of its standard error.
 */
enum program_result program_run(const char *const *argv, struct slice input, char **output,
                                size_t *output_len, struct err *err) MUST_USE;

#endif
