#include "controller/inject/warnings.h"

#include <stdarg.h>
#include <stdio.h>

void warnings_add(json_t *warnings, const char *format, ...)
{
    char text[sizeof(((struct err *)0)->text)];
    struct err line; /* makes one line of whatever is in it */
    va_list args;
    if (json_array_size(warnings) >= WARNINGS_MAX)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    err_set(&line, "%s", text);
    /* Cut in the middle of a character it would be no text: then it is left out. */
    json_t *warning = json_string(line.text);
    if (warning)
        json_array_append_new(warnings, warning);
}
