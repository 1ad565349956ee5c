#include "common/http/head.h"

#define FIRST_FIELDS 16

struct known_name {
    struct slice name;
    bool is_hop_by_hop;
};
static const struct known_name known_names[FIELD_COUNT] = {
#define FIELD(suffix, name, is_hop_by_hop)                                                         \
    [FIELD_##suffix] = {{name, sizeof(name) - 1}, is_hop_by_hop},
#include "common/http/field_names.def"
#undef FIELD
};

#define LONGEST_NAME 32

/* The last name of each length: the table has the shorter ones first, and of several initializers
 * of one element the last one counts. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
static const uint8_t last_of_length[LONGEST_NAME] = {
#define FIELD(suffix, name, is_hop_by_hop) [sizeof(name) - 1] = FIELD_##suffix,
#include "common/http/field_names.def"
#undef FIELD
};
#pragma GCC diagnostic pop

enum field_name field_name_of(struct slice name)
{
    if (name.len == 0 || name.len >= LONGEST_NAME)
        return FIELD_OTHER;
    for (unsigned i = last_of_length[name.len]; known_names[i].name.len == name.len; i--) {
        const char *known = known_names[i].name.ptr;
        if (known[name.len - 1] == name.ptr[name.len - 1] && memcmp(known, name.ptr, name.len) == 0)
            return i;
    }
    return FIELD_OTHER;
}

struct slice field_name_text(enum field_name name)
{
    return known_names[name].name;
}

bool field_name_is_hop_by_hop(enum field_name name)
{
    return known_names[name].is_hop_by_hop;
}

bool field_may_be_trailer(const struct field *field)
{
    switch (field->id) {
    case FIELD_TRANSFER_ENCODING:
    case FIELD_CONTENT_LENGTH:
    case FIELD_HOST:
    case FIELD_AUTHORIZATION:
    case FIELD_COOKIE:
    case FIELD_EXPECT:
    case FIELD_FORWARDED:
    case FIELD_X_FORWARDED_CLIENT_CERT:
    case FIELD_X_FORWARDED_FOR:
    case FIELD_X_FORWARDED_HOST:
    case FIELD_X_FORWARDED_PROTO:
        return false;
    default:
        return !slice_eq_str(field->name, "proxy-authorization") &&
               !slice_starts_with(field->name, SLICE_LITERAL("outrigger-"));
    }
}

void head_init(struct head *head, struct arena *arena)
{
    *head = (struct head){.arena = arena, .content_length = CONTENT_LENGTH_NONE};
}

static bool grow(struct head *head)
{
    size_t room = head->room ? head->room * 2 : FIRST_FIELDS;
    struct field *fields = arena_take_array(head->arena, room, sizeof(*fields));
    if (!fields)
        return false;
    if (head->n_fields)
        memcpy(fields, head->fields, head->n_fields * sizeof(*fields));
    head->fields = fields;
    head->room = room;
    return true;
}

bool head_add_field(struct head *head, struct field field)
{
    if (head->n_fields == head->room && !grow(head))
        return false;
    head->fields[head->n_fields++] = field;
    return true;
}

bool head_add(struct head *head, struct slice name, struct slice value)
{
    return head_add_field(head,
                          (struct field){.name = name, .value = value, .id = field_name_of(name)});
}

bool head_add_id(struct head *head, enum field_name id, struct slice value)
{
    return head_add_field(head,
                          (struct field){.name = field_name_text(id), .value = value, .id = id});
}

void head_remove(struct head *head, enum field_name id)
{
    size_t kept = 0;
    for (size_t i = 0; i < head->n_fields; i++)
        if (head->fields[i].id != id)
            head->fields[kept++] = head->fields[i];
    head->n_fields = kept;
}

void head_remove_name(struct head *head, struct slice name)
{
    size_t kept = 0;
    for (size_t i = 0; i < head->n_fields; i++)
        if (!slice_eq(head->fields[i].name, name))
            head->fields[kept++] = head->fields[i];
    head->n_fields = kept;
}

void head_remove_prefix(struct head *head, struct slice name_prefix)
{
    size_t kept = 0;
    for (size_t i = 0; i < head->n_fields; i++)
        if (!slice_starts_with(head->fields[i].name, name_prefix))
            head->fields[kept++] = head->fields[i];
    head->n_fields = kept;
}

bool head_set(struct head *head, enum field_name id, struct slice value)
{
    for (size_t i = 0; i < head->n_fields; i++) {
        if (head->fields[i].id != id)
            continue;
        size_t kept = i + 1;
        head->fields[i].value = value;
        for (size_t j = i + 1; j < head->n_fields; j++)
            if (head->fields[j].id != id)
                head->fields[kept++] = head->fields[j];
        head->n_fields = kept;
        return true;
    }
    return head_add_id(head, id, value);
}

const struct field *head_find(const struct head *head, enum field_name id)
{
    for (size_t i = 0; i < head->n_fields; i++)
        if (head->fields[i].id == id)
            return &head->fields[i];
    return NULL;
}

const struct field *head_find_name(const struct head *head, struct slice name)
{
    for (size_t i = 0; i < head->n_fields; i++)
        if (slice_eq(head->fields[i].name, name))
            return &head->fields[i];
    return NULL;
}

bool head_copy(struct head *to, const struct head *from, struct arena *arena)
{
    *to = *from;
    to->arena = arena;
    to->room = from->n_fields;
    to->fields = NULL;
    if (from->n_fields == 0)
        return true;
    to->fields = arena_take_array(arena, from->n_fields, sizeof(*to->fields));
    if (!to->fields)
        return false;
    memcpy(to->fields, from->fields, from->n_fields * sizeof(*to->fields));
    return true;
}
