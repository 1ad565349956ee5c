/*
 * The program that an expression becomes: common/regex_parse.c has it written here, common/regex.c
 * runs it; nobody else includes it.
 */
#ifndef OUTRIGGER_COMMON_REGEX_CODE_H
#define OUTRIGGER_COMMON_REGEX_CODE_H

#include <stdint.h>

#include "common/regex.h"

enum regex_op {
    REGEX_BYTE,  /* this byte */
    REGEX_CLASS, /* a byte of the class */
    REGEX_JUMP,  /* go on at `x` */
    REGEX_SPLIT, /* go on at `x` and at `y` */
    REGEX_BEGIN, /* only at the beginning of the text */
    REGEX_END,   /* only at its end */
    REGEX_MATCH,
};

/* Where to go on is relative to the instruction itself, so that code can be moved and copied. */
struct regex_inst {
    uint8_t op;
    uint8_t byte;   /* of BYTE */
    uint16_t class; /* of CLASS: index */
    int16_t x, y;
};

struct regex_class {
    uint64_t bits[4]; /* by byte */
};

static inline bool regex_class_has(const struct regex_class *class, uint8_t byte)
{
    return class->bits[byte >> 6] >> (byte & 63) & 1;
}

struct regex {
    struct regex_inst *code; /* ends with MATCH */
    size_t n, room;
    struct regex_class *classes;
    size_t n_classes, classes_room;
    const char *why; /* writing the program failed */
};

/* Each puts code at the end, or around what stands from `begin` to the end. False with `why` set.
 */
bool regex_code_append(struct regex *regex, struct regex_inst inst) MUST_USE;
bool regex_code_optional(struct regex *regex, size_t begin) MUST_USE; /* ? */
bool regex_code_star(struct regex *regex, size_t begin) MUST_USE;
bool regex_code_plus(struct regex *regex, size_t begin) MUST_USE;
/* {m,n}, written out; n < 0: no end. */
bool regex_code_repeat(struct regex *regex, size_t begin, int m, int n) MUST_USE;

/* regex_parse.c: fills an empty regex; on failure what was filled is still to be freed. */
bool regex_parse(struct regex *regex, struct slice expression, struct err *err) MUST_USE;

#endif
