/*
 * Regular expressions of routes, matched against a whole text in time linear in its length,
 * whatever the expression: a set of states steps through the text byte by byte, nothing goes back.
 *
 * The syntax is the part of RE2's that decides whether a text matches: literals, `.`, [classes]
 * with ranges, negation and [:names:], \d \D \w \W \s \S, \xHH and escaped punctuation, ( ), (?: ),
 * (?i) at the beginning, |, *, +, ?, {m}, {m,}, {m,n} with or without a following `?`, ^ at the
 * beginning and $ at the end of an alternative of the whole. Bytes, not code points: `.` is one
 * byte and never a line feed. Back references and look-around are refused: they cannot be linear.
 */
#ifndef OUTRIGGER_COMMON_REGEX_H
#define OUTRIGGER_COMMON_REGEX_H

#include "common/err.h"
#include "common/slice.h"

#define REGEX_TEXT_MAX   1024 /* bytes of an expression */
#define REGEX_STATES_MAX 1024 /* after {m,n} was written out */
#define REGEX_DEPTH_MAX  50   /* groups in each other */

struct regex; /* immutable: any number of threads may match at once */

/* NULL with `err` saying what is wrong, and at which byte (1-based). */
struct regex *regex_new(struct slice expression, struct err *err) MUST_USE;
void regex_free(struct regex *regex); /* NULL is let be */

/* Does the whole text match? Nothing is allocated. */
bool regex_matches(const struct regex *regex, struct slice text);

#endif
