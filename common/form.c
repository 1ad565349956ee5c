#include "common/form.h"

#include "common/http/chars.h"

/* What one '%' or byte stands for, or -1; moves *at to the last byte of it. */
static int decode(struct slice text, size_t *at)
{
    if (text.ptr[*at] == '+')
        return ' ';
    if (text.ptr[*at] != '%')
        return (unsigned char)text.ptr[*at];
    if (text.len - *at < 3)
        return -1;
    int high = http_hex_value(text.ptr[*at + 1]), low = http_hex_value(text.ptr[*at + 2]);
    *at += 2;
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

static const char *decoded(struct arena *arena, struct slice text)
{
    char *out = arena_take(arena, text.len + 1);
    size_t len = 0;
    if (!out)
        return NULL;
    for (size_t i = 0; i < text.len; i++) {
        int c = decode(text, &i);
        if (c <= 0)
            return NULL;
        out[len++] = (char)c;
    }
    out[len] = '\0';
    return out;
}

static bool add(struct form *form, struct arena *arena, struct slice pair)
{
    const char *equals = memchr(pair.ptr, '=', pair.len);
    size_t len = equals ? (size_t)(equals - pair.ptr) : pair.len;
    struct form_param param = {decoded(arena, slice_sub(pair, 0, len)),
                               decoded(arena, slice_sub(pair, len + 1, pair.len))};
    if (!param.name || !param.value || form->n == FORM_MAX_PARAMS)
        return false;
    form->params[form->n++] = param;
    return true;
}

bool form_parse(struct form *form, struct arena *arena, struct slice text)
{
    *form = (struct form){0};
    if (text.len == 0)
        return true;
    form->params = arena_take_array(arena, FORM_MAX_PARAMS, sizeof(*form->params));
    if (!form->params)
        return false;
    while (text.len > 0) {
        const char *end = memchr(text.ptr, '&', text.len);
        size_t len = end ? (size_t)(end - text.ptr) : text.len;
        if (len > 0 && !add(form, arena, slice_sub(text, 0, len))) {
            form->n = 0;
            return false;
        }
        text = slice_sub(text, len + 1, text.len);
    }
    return true;
}

const char *form_find(const struct form *form, const char *name)
{
    for (size_t i = 0; i < form->n; i++)
        if (strcmp(form->params[i].name, name) == 0)
            return form->params[i].value;
    return NULL;
}
