#include "common/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Messages quote input; a newline or an escape sequence in it must not forge a second line. */
static void err_clean(struct err *err)
{
    for (char *c = err->text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
}

bool err_set(struct err *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    err_clean(err);
    return false;
}

bool err_set_errno(struct err *err, int errno_value, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    size_t len = strlen(err->text);
    char reason[128];
    snprintf(err->text + len, sizeof(err->text) - len, ": %s",
             strerror_r(errno_value, reason, sizeof(reason)));
    err_clean(err);
    return false;
}

bool err_prefix(struct err *err, const char *format, ...)
{
    char rest[sizeof(err->text)];
    memcpy(rest, err->text, sizeof(rest));
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    size_t len = strlen(err->text);
    snprintf(err->text + len, sizeof(err->text) - len, ": %s", rest);
    err_clean(err);
    return false;
}
