#include "init/lists.h"

#include <ctype.h>
#include <string.h>

#include "common/options.h"

typedef bool add_item(void *list, struct slice item, struct err *err);

static bool add_each(void *list, struct slice value, add_item *add, struct err *err)
{
    if (slice_trim(value, " ").len == 0)
        return true;
    for (size_t start = 0; start <= value.len;) {
        struct slice rest = slice_sub(value, start, value.len);
        const char *comma = rest.len ? memchr(rest.ptr, ',', rest.len) : NULL;
        size_t len = comma ? (size_t)(comma - rest.ptr) : rest.len;
        struct slice item = slice_trim(slice_sub(rest, 0, len), " ");
        if (item.len == 0)
            return err_set(err, "\"%.*s\" has an empty item", SLICE_ARG(value));
        if (!add(list, item, err))
            return false;
        start += len + 1;
    }
    return true;
}

static bool is_full(size_t n, size_t max, struct err *err)
{
    if (n < max)
        return false;
    err_set(err, "more than %zu items", max);
    return true;
}

static bool add_id(void *field, struct slice item, struct err *err)
{
    struct id_list *list = field;
    uint64_t id;
    if (is_full(list->n, LISTS_MAX_IDS, err))
        return false;
    /* (uid_t)-1 means "none" to the kernel. */
    if (!option_parse_uint(item, 0, UINT32_MAX - 1, &id, err))
        return false;
    list->ids[list->n++] = (uint32_t)id;
    return true;
}

static bool parse_port(struct slice text, uint16_t *port)
{
    struct err ignored; /* the caller's message shows the whole item */
    uint64_t number;
    if (!option_parse_uint(text, 1, 65535, &number, &ignored))
        return false;
    *port = (uint16_t)number;
    return true;
}

static bool add_port(void *field, struct slice item, struct err *err)
{
    struct port_list *list = field;
    struct port_range range;
    const char *dash = memchr(item.ptr, '-', item.len);
    struct slice first = dash ? slice_sub(item, 0, (size_t)(dash - item.ptr)) : item;
    struct slice last = dash ? slice_sub(item, first.len + 1, item.len) : item;
    if (is_full(list->n, LISTS_MAX_PORTS, err))
        return false;
    if (!parse_port(first, &range.first) || !parse_port(last, &range.last))
        return err_set(err, "\"%.*s\" is neither a port (1-65535) nor a range like 8000-8999",
                       SLICE_ARG(item));
    if (range.first > range.last)
        return err_set(err, "\"%.*s\" ends before it begins", SLICE_ARG(item));
    list->ranges[list->n++] = range;
    return true;
}

static bool add_cidr(void *field, struct slice item, struct err *err)
{
    struct cidr_list *list = field;
    if (is_full(list->n, LISTS_MAX_CIDRS, err) || !cidr_parse(item, &list->cidrs[list->n], err))
        return false;
    list->n++;
    return true;
}

/*
 * Stricter than the kernel, which takes any byte but '/', ':' and blanks: quotes would have to be
 * escaped in nft's syntax, and a '+' or '*' at the end is a wildcard to iptables and nft.
 */
static bool is_interface_name(struct slice name)
{
    if (name.len == 0 || name.len >= IFNAMSIZ || slice_eq_str(name, ".") ||
        slice_eq_str(name, ".."))
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (!isalnum((unsigned char)name.ptr[i]) && !memchr("._-@", name.ptr[i], 4))
            return false;
    return name.ptr[0] != '-';
}

static bool add_interface(void *field, struct slice item, struct err *err)
{
    struct interface_list *list = field;
    if (is_full(list->n, LISTS_MAX_INTERFACES, err))
        return false;
    if (!is_interface_name(item))
        return err_set(err,
                       "\"%.*s\" is not the name of an interface; expected 1 to %d letters, "
                       "digits and . _ - @",
                       SLICE_ARG(item), IFNAMSIZ - 1);
    memset(list->names[list->n], 0, IFNAMSIZ);
    memcpy(list->names[list->n++], item.ptr, item.len);
    return true;
}

bool lists_add_ids(void *field, struct slice value, struct err *err)
{
    return add_each(field, value, add_id, err);
}

bool lists_add_ports(void *field, struct slice value, struct err *err)
{
    return add_each(field, value, add_port, err);
}

bool lists_add_cidrs(void *field, struct slice value, struct err *err)
{
    return add_each(field, value, add_cidr, err);
}

bool lists_add_interfaces(void *field, struct slice value, struct err *err)
{
    return add_each(field, value, add_interface, err);
}

const struct port_range *lists_port_overlap(const struct port_list *list, struct port_range range)
{
    for (size_t i = 0; i < list->n; i++)
        if (list->ranges[i].first <= range.last && range.first <= list->ranges[i].last)
            return &list->ranges[i];
    return NULL;
}
