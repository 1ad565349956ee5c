#include "controller/objects/annotations.h"

#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>

#include "common/cidr.h"
#include "common/options.h"
#include "controller/objects/quantity.h"

#define PREFIX ANNOTATION_PREFIX

#define ON_NAMESPACE (1u << OBJECT_NAMESPACE)
#define ON_POD       (1u << OBJECT_POD)
#define ON_SERVICE   (1u << OBJECT_SERVICE)
#define ON_BOTH      (ON_NAMESPACE | ON_POD)
#define ON_ALL       (ON_NAMESPACE | ON_POD | ON_SERVICE)

#define DAY_MS (24ull * 3600 * 1000)

enum value_type {
    VALUE_CHOICE,   /* int, from 1: its place in `choices` */
    VALUE_PORTS,    /* struct port_ranges */
    VALUE_DURATION, /* uint64_t, milliseconds */
    VALUE_UINT,     /* checked, not kept */
    VALUE_CIDRS,    /* checked, not kept */
    VALUE_QUANTITY, /* checked, not kept */
    VALUE_RATIO,    /* checked, not kept */
    VALUE_ENV,      /* checked, not kept */
    VALUE_TEXT,     /* whoever uses it checks it */
};

struct row {
    const char *name;
    unsigned where;
    enum value_type type;
    const char *const *choices; /* up to NULL */
    uint64_t min, max;
    size_t offset; /* in struct annotations; NOT_KEPT */
};

#define NOT_KEPT    SIZE_MAX
#define KEPT(field) offsetof(struct annotations, field)

static const char *const inject_choices[] = {"enabled", "disabled", NULL};
static const char *const boolean_choices[] = {"true", "false", NULL};
static const char *const mtls_choices[] = {"permissive", "strict", "disabled", NULL};
static const char *const egress_choices[] = {"allow-any", "registry-only", NULL};
static const char *const level_choices[] = {"debug", "info", "warn", "error", NULL};
static const char *const format_choices[] = {"text", "json", NULL};

static const struct row rows[] = {
    {"inject", ON_BOTH, VALUE_CHOICE, inject_choices, 0, 0, KEPT(inject)},
    {"mtls-mode", ON_BOTH, VALUE_CHOICE, mtls_choices, 0, 0, KEPT(mtls_mode)},
    {"egress-mode", ON_BOTH, VALUE_CHOICE, egress_choices, 0, 0, KEPT(egress_mode)},
    {"access-log", ON_BOTH, VALUE_CHOICE, boolean_choices, 0, 0, KEPT(access_log)},
    {"discovery-timeout", ON_BOTH, VALUE_DURATION, NULL, 1, 60000, KEPT(discovery_timeout_ms)},
    {"opaque-ports", ON_ALL, VALUE_PORTS, NULL, 0, OPAQUE_PORTS_MAX, KEPT(opaque_ports)},
    {"skip-inbound-ports", ON_BOTH, VALUE_PORTS, NULL, 0, 0, KEPT(skip_inbound_ports)},
    {"skip-outbound-ports", ON_BOTH, VALUE_PORTS, NULL, 0, 0, NOT_KEPT},
    {"skip-outbound-cidrs", ON_BOTH, VALUE_CIDRS, NULL, 0, 0, NOT_KEPT},
    {"proxy-workers", ON_BOTH, VALUE_UINT, NULL, 1, 256, NOT_KEPT},
    {"admin-port", ON_BOTH, VALUE_UINT, NULL, 1, 65535, NOT_KEPT},
    {"run-as-user", ON_BOTH, VALUE_UINT, NULL, 1, UINT32_MAX - 1, NOT_KEPT},
    {"log-level", ON_BOTH, VALUE_CHOICE, level_choices, 0, 0, NOT_KEPT},
    {"log-format", ON_BOTH, VALUE_CHOICE, format_choices, 0, 0, NOT_KEPT},
    {"hold-application", ON_BOTH, VALUE_CHOICE, boolean_choices, 0, 0, NOT_KEPT},
    {"native-sidecar", ON_BOTH, VALUE_CHOICE, boolean_choices, 0, 0, NOT_KEPT},
    {"drain-timeout", ON_BOTH, VALUE_DURATION, NULL, 0, DAY_MS, NOT_KEPT},
    {"proxy-image", ON_BOTH, VALUE_TEXT, NULL, 0, 0, NOT_KEPT},
    {"proxy-cpu-request", ON_BOTH, VALUE_QUANTITY, NULL, 0, 0, NOT_KEPT},
    {"proxy-cpu-limit", ON_BOTH, VALUE_QUANTITY, NULL, 0, 0, NOT_KEPT},
    {"proxy-memory-request", ON_BOTH, VALUE_QUANTITY, NULL, 0, 0, NOT_KEPT},
    {"proxy-memory-limit", ON_BOTH, VALUE_QUANTITY, NULL, 0, 0, NOT_KEPT},
    {"trace-sampling", ON_BOTH, VALUE_RATIO, NULL, 0, 0, NOT_KEPT},
    {"extra-env", ON_BOTH, VALUE_ENV, NULL, 0, 0, NOT_KEPT},
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

static const struct row *find_row(const struct field *entry)
{
    const char *name = entry->name + strlen(PREFIX);
    const char *names[N_ROWS];
    for (size_t i = 0; i < N_ROWS; i++) {
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
        names[i] = rows[i].name;
    }
    const char *nearest = option_nearest(slice_str(name), names, N_ROWS);
    if (nearest)
        field_fail(entry, "there is no such setting; did you mean \"" PREFIX "%s\"?", nearest);
    else
        field_fail(entry, "there is no such setting");
    return NULL;
}

static void check_where(const struct field *entry, const struct row *row, enum object_kind kind)
{
    if (row->where & (1u << kind))
        return;
    field_fail(entry, "means nothing on a %s; it belongs on a Namespace or a Pod",
               object_kind_name(kind));
}

/* Annotations are texts, so a number stands in quotes. */
static void check_uint(const struct field *entry, const struct row *row)
{
    uint64_t value;
    struct err err;
    if (!option_parse_uint(field_slice(entry), row->min, row->max, &value, &err))
        field_fail(entry, "%s", err.text);
}

static uint64_t read_duration(const struct field *entry, const struct row *row)
{
    uint64_t ms = 0;
    struct err err;
    if (!option_parse_duration(field_slice(entry), row->min, row->max, &ms, &err))
        field_fail(entry, "%s", err.text);
    return ms;
}

static struct port_ranges read_ports(const struct field *entry, const struct row *row)
{
    struct port_ranges ports = field_port_text(entry);
    if (row->max && port_ranges_size(ports) > row->max)
        field_fail(entry, "holds more than %u ports", (unsigned)row->max);
    return ports;
}

static void check_cidrs(const struct field *entry)
{
    struct slice text = field_slice(entry);
    while (!entry->reading->has_failed) {
        const char *comma = text.len ? memchr(text.ptr, ',', text.len) : NULL;
        size_t len = comma ? (size_t)(comma - text.ptr) : text.len;
        struct cidr cidr;
        struct err err;
        if (!cidr_parse(slice_sub(text, 0, len), &cidr, &err))
            field_fail(entry, "%s", err.text);
        if (!comma)
            return;
        text = slice_sub(text, len + 1, text.len);
    }
}

static void check_quantity(const struct field *entry)
{
    uint64_t milli;
    struct slice text = field_slice(entry);
    if (!entry->reading->has_failed && !quantity_parse(text, &milli))
        field_fail(entry, "\"%.*s\" is no quantity (500m, 2, 64Mi)", SLICE_ARG(text));
}

/* A share as the proxy's option takes it: digits and at most one dot, 0 to 1. */
static void check_ratio(const struct field *entry)
{
    struct slice text = field_slice(entry);
    const char *digits = text.len ? text.ptr : "";
    bool is_share = text.len > 0 && text.len < 16 && strspn(digits, "0123456789.") == text.len &&
                    strchr(digits, '.') == strrchr(digits, '.') && digits[0] != '.' &&
                    digits[text.len - 1] != '.' && strtod(digits, NULL) <= 1;
    if (!entry->reading->has_failed && !is_share)
        field_fail(entry, "\"%.*s\" is no share (0-1)", SLICE_ARG(text));
}

bool annotation_next_env(struct slice *text, struct slice *name, struct slice *value)
{
    if (text->len == 0)
        return false;
    const char *comma = memchr(text->ptr, ',', text->len);
    size_t len = comma ? (size_t)(comma - text->ptr) : text->len;
    struct slice part = slice_trim(slice_sub(*text, 0, len), " ");
    const char *equals = part.len ? memchr(part.ptr, '=', part.len) : NULL;
    *name = slice_sub(part, 0, equals ? (size_t)(equals - part.ptr) : 0);
    *value = slice_sub(part, name->len + 1, part.len);
    *text = slice_sub(*text, len + 1, text->len);
    return true;
}

static bool is_env_name(struct slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!(isalpha((unsigned char)name.ptr[i]) || name.ptr[i] == '_' ||
              (i > 0 && isdigit((unsigned char)name.ptr[i]))))
            return false;
    return name.len > 0;
}

static void check_env(const struct field *entry)
{
    struct slice text = field_slice(entry), name, value;
    while (!entry->reading->has_failed && annotation_next_env(&text, &name, &value))
        if (!is_env_name(name))
            field_fail(entry, "\"%.*s\" is no list of NAME=VALUE with commas between",
                       SLICE_ARG(field_slice(entry)));
}

static void read_row(const struct field *entry, const struct row *row, struct annotations *out)
{
    void *kept = row->offset == NOT_KEPT ? NULL : (char *)out + row->offset;
    size_t n = 0;
    switch (row->type) {
    case VALUE_CHOICE:
        while (row->choices[n])
            n++;
        n = (size_t)(field_choice(entry, row->choices, n) + 1);
        if (kept)
            *(unsigned *)kept = (unsigned)n;
        break;
    case VALUE_PORTS: {
        struct port_ranges ports = read_ports(entry, row);
        if (kept)
            *(struct port_ranges *)kept = ports;
        break;
    }
    case VALUE_DURATION: {
        uint64_t ms = read_duration(entry, row);
        if (kept)
            *(uint64_t *)kept = ms;
        break;
    }
    case VALUE_UINT:
        check_uint(entry, row);
        break;
    case VALUE_CIDRS:
        check_cidrs(entry);
        break;
    case VALUE_QUANTITY:
        check_quantity(entry);
        break;
    case VALUE_RATIO:
        check_ratio(entry);
        break;
    case VALUE_ENV:
        check_env(entry);
        break;
    case VALUE_TEXT:
        if (field_slice(entry).len == 0)
            field_fail(entry, "is empty");
        break;
    }
}

static void read_entry(const struct field *entry, enum object_kind kind, bool is_label,
                       struct annotations *out)
{
    const struct row *row = find_row(entry);
    if (!row)
        return;
    check_where(entry, row, kind);
    if (is_label && row->offset != KEPT(inject))
        field_fail(entry, "is an annotation, not a label");
    if (!entry->reading->has_failed)
        read_row(entry, row, out);
}

static void read_map(const struct field *map, enum object_kind kind, bool is_label,
                     struct annotations *out)
{
    struct field entry = {0};
    while (field_next_entry(map, &entry)) {
        if (!slice_starts_with(slice_str(entry.name), SLICE_LITERAL(PREFIX)))
            continue;
        read_entry(&entry, kind, is_label, out);
    }
}

void annotations_read(const struct field *metadata, enum object_kind kind,
                      struct annotations *annotations)
{
    _Static_assert(sizeof(enum toggle) == sizeof(unsigned), "choices are kept as unsigned");
    struct field labels = field_get(metadata, "labels");
    struct field map = field_get(metadata, "annotations");
    read_map(&labels, kind, true, annotations);
    read_map(&map, kind, false, annotations); /* last: an annotation wins over the label */
}

bool annotation_check(const char *name, const char *value, enum object_kind kind, bool is_label,
                      struct err *err)
{
    struct arena arena = {0};
    struct reading reading = {.file = "", .arena = &arena, .err = err};
    const struct yaml_node node = {.kind = YAML_KIND_TEXT, .line = 1, .text = slice_str(value)};
    const struct field root = {.reading = &reading};
    const struct field metadata = {.reading = &reading, .up = &root, .name = "metadata"};
    const struct field map = {
        .reading = &reading, .up = &metadata, .name = is_label ? "labels" : "annotations"};
    const struct field entry = {.reading = &reading, .up = &map, .name = name, .node = &node};
    struct annotations ignored = {0};
    read_entry(&entry, kind, is_label, &ignored);
    arena_fini(&arena);
    if (!reading.has_failed)
        return true;
    struct err located = *err; /* ":1: " stands before it: there is no file here */
    return err_set(err, "%s", located.text + strlen(":1: "));
}
