/*
 * JSON as YAML, as people write it: a line a field, quotes where they are needed. Without a newline
 * at the end, and without blanks in front of the first line.
 */
#ifndef OUTRIGGER_CLI_YAML_WRITE_H
#define OUTRIGGER_CLI_YAML_WRITE_H

#include <jansson.h>

#include "common/buf.h"

/* `indent`: the column of the first line, for those that follow. False: no memory. */
bool yaml_write_block(struct buf *out, const json_t *json, size_t indent) MUST_USE;

/* On one line, as JSON is. */
bool yaml_write_flow(struct buf *out, const json_t *json) MUST_USE;

/* A field of a block map: `key: value`, or `key:` and lines below. */
bool yaml_write_field(struct buf *out, const char *key, const json_t *value,
                      size_t indent) MUST_USE;

/* A newline and that many blanks. */
bool yaml_write_newline(struct buf *out, size_t indent) MUST_USE;

#endif
