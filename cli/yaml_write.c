#include "cli/yaml_write.h"

#include <ctype.h>
#include <stdlib.h>

/* Would YAML 1.1, which Kubernetes reads, take it for something else than a text? */
static bool is_other_word(const char *text)
{
    static const char *const words[] = {"y",   "n",    "yes",   "no",  "on",
                                        "off", "true", "false", "null"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcasecmp(text, words[i]) == 0)
            return true;
    return false;
}

/* Rather a pair of quotes too many: whatever begins like a number has them. */
static bool is_plain(const char *text)
{
    const char *c = text + (*text == '-');
    if (!isalpha((unsigned char)*c) && !strchr("/-_$", *c))
        return false;
    for (c = text; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("-_./=$()@+,:", *c))
            return false;
    return *text != '\0' && c[-1] != ':' && strcmp(text, "-") != 0 && strcmp(text, "--") != 0 &&
           strncmp(text, "---", 3) != 0 && !is_other_word(text);
}

bool yaml_write_newline(struct buf *out, size_t indent)
{
    return buf_printf(out, "\n%*s", (int)indent, "");
}

bool yaml_write_flow(struct buf *out, const json_t *json)
{
    char *text = json_dumps(json, JSON_ENCODE_ANY);
    bool is_written = text && buf_append(out, text, strlen(text));
    free(text);
    return is_written;
}

static bool is_one_line(const json_t *json)
{
    return (!json_is_object(json) || json_object_size(json) == 0) &&
           (!json_is_array(json) || json_array_size(json) == 0);
}

static bool write_key(struct buf *out, const char *key)
{
    json_t *text = json_string(key);
    bool is_written =
        text && (is_plain(key) ? buf_printf(out, "%s:", key)
                               : yaml_write_flow(out, text) && buf_append(out, ":", 1));
    json_decref(text);
    return is_written;
}

bool yaml_write_field(struct buf *out, const char *key, const json_t *value, size_t indent)
{
    if (!write_key(out, key))
        return false;
    if (is_one_line(value))
        return buf_append(out, " ", 1) && yaml_write_block(out, value, indent);
    /* A list stands below its key, a map further in. */
    size_t below = json_is_array(value) ? indent : indent + 2;
    return yaml_write_newline(out, below) && yaml_write_block(out, value, below);
}

static bool write_map(struct buf *out, const json_t *map, size_t indent)
{
    const char *key;
    json_t *value;
    bool is_first = true;
    json_object_foreach((json_t *)map, key, value)
    {
        if (!is_first && !yaml_write_newline(out, indent))
            return false;
        is_first = false;
        if (!yaml_write_field(out, key, value, indent))
            return false;
    }
    return true;
}

bool yaml_write_block(struct buf *out, const json_t *json, size_t indent)
{
    if (json_is_string(json) && is_plain(json_string_value(json)))
        return buf_append(out, json_string_value(json), json_string_length(json));
    if (is_one_line(json))
        return yaml_write_flow(out, json);
    if (json_is_object(json))
        return write_map(out, json, indent);
    for (size_t i = 0; i < json_array_size(json); i++)
        if ((i > 0 && !yaml_write_newline(out, indent)) || !buf_append(out, "- ", 2) ||
            !yaml_write_block(out, json_array_get(json, i), indent + 2))
            return false;
    return true;
}
