/*
 * What went wrong, where, and what was expected: one line for a person.
 *
 * A function that can fail takes a `struct err *` (never NULL), returns bool or an enum marked
 * MUST_USE, and fills the error exactly when it fails. Callers add where they were with
 * err_prefix(): "payments.yaml:14: spec.rules[0].port: 70000 is not a port (1-65535)".
 */
#ifndef OUTRIGGER_COMMON_ERR_H
#define OUTRIGGER_COMMON_ERR_H

#include <stdbool.h>

#define MUST_USE           __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, va) __attribute__((format(printf, f, va)))

struct err {
    char text[768]; /* always NUL-terminated; cut, never overrun; control bytes become '?' */
};

/* Fills the error. Returns false, so that `return err_set(err, ...)` reads well. */
bool err_set(struct err *err, const char *format, ...) PRINTF_LIKE(2, 3);

/* As err_set(), with ": " and the text of `errno_value` (see errno(3)) at the end. */
bool err_set_errno(struct err *err, int errno_value, const char *format, ...) PRINTF_LIKE(3, 4);

/* Puts "prefix: " before what the error says already. Returns false. */
bool err_prefix(struct err *err, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
