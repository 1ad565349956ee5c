#include "proxy/telemetry/label_text.h"

#include <stdlib.h>

static void text_byte(struct label_text *text, char byte)
{
    if (text->len == sizeof(text->bytes)) {
        text->is_cut = true;
        return;
    }
    text->bytes[text->len++] = byte;
}

/* Backslash, quote and newline are escaped. */
void label_text_add(struct label_text *text, const char *name, const char *value)
{
    if (text->len > 0)
        text_byte(text, ',');
    for (; *name; name++)
        text_byte(text, *name);
    text_byte(text, '=');
    text_byte(text, '"');
    for (value = value ? value : ""; *value; value++) {
        if (*value == '\\' || *value == '"' || *value == '\n')
            text_byte(text, '\\');
        text_byte(text, *value == '\n' ? 'n' : *value);
    }
    text_byte(text, '"');
}

void label_text_overflow(struct label_text *text, const char *direction)
{
    label_text_init(text);
    label_text_add(text, "direction", direction);
    label_text_add(text, "overflow", "true");
}

char *label_text_copy(const struct label_text *text)
{
    return strndup(text->bytes, text->len);
}
