#include "common/dns_name.h"

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool dns_name_is_label(struct slice text)
{
    if (text.len == 0 || text.len > DNS_LABEL_MAX_BYTES || !is_alnum(text.ptr[0]) ||
        !is_alnum(text.ptr[text.len - 1]))
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (!is_alnum(text.ptr[i]) && text.ptr[i] != '-')
            return false;
    return true;
}

bool dns_name_ok(struct slice text)
{
    if (text.len > DNS_NAME_MAX_BYTES)
        return false;
    for (;;) {
        const char *dot = text.len ? memchr(text.ptr, '.', text.len) : NULL;
        size_t len = dot ? (size_t)(dot - text.ptr) : text.len;
        if (!dns_name_is_label(slice_sub(text, 0, len)))
            return false;
        if (!dot)
            return true;
        text = slice_sub(text, len + 1, text.len);
    }
}
