/*
 * Small files, read and written whole: keys, certificates, tokens, manifests. A write either
 * happened or did not, whatever crashes in between.
 */
#ifndef OUTRIGGER_COMMON_FILE_H
#define OUTRIGGER_COMMON_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "common/err.h"
#include "common/slice.h"

/*
 * The content of a regular file of at most `max_bytes`, malloc'd, with a NUL after the last byte
 * that `*len` does not count. `stat` (may be NULL) receives the mode and owner of what was read.
 * NULL with `err` naming the path.
 */
char *file_read(const char *path, size_t max_bytes, size_t *len, struct stat *stat,
                struct err *err) MUST_USE;

/*
 * Writes a temporary file beside `path` with exactly `mode`, syncs it, and puts it in place, so
 * that readers see all of it or nothing; never over a file that exists: then true with `*existed`
 * set, and nothing is changed. Of two processes that create at once exactly one wins.
 */
bool file_create(const char *path, struct slice bytes, mode_t mode, bool *existed,
                 struct err *err) MUST_USE;

/* Writes all of it to a blocking descriptor, whatever signals come; false with errno. */
bool file_write_all(int fd, struct slice bytes) MUST_USE;

#endif
