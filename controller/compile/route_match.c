#include "controller/compile/route_match.h"

#include <stdlib.h>

static char *text(const char *text)
{
    return (char *)(uintptr_t)text;
}

static Outrigger__V1__ValueMatch **values_make(struct compile *compile,
                                               const struct route_values *values)
{
    Outrigger__V1__ValueMatch **list = compile_take(compile, values->n, sizeof(*list));
    for (size_t i = 0; list && i < values->n; i++) {
        list[i] = compile_take(compile, 1, sizeof(**list));
        if (!list[i])
            return NULL;
        outrigger__v1__value_match__init(list[i]);
        list[i]->name = text(values->list[i].name);
        list[i]->kind = (Outrigger__V1__ValueKind)values->list[i].kind;
        list[i]->value = text(values->list[i].value);
    }
    return list;
}

Outrigger__V1__RouteMatch *route_match_make(struct compile *compile,
                                            const struct route_match *match, size_t rule)
{
    Outrigger__V1__RouteMatch *message = compile_take(compile, 1, sizeof(*message));
    if (!message)
        return NULL;
    outrigger__v1__route_match__init(message);
    message->rule = (uint32_t)rule;
    if (!match)
        return message;
    message->path_kind = (Outrigger__V1__PathKind)match->path_kind;
    message->path = text(match->path);
    message->method = text(match->method);
    message->headers = values_make(compile, &match->headers);
    message->query = values_make(compile, &match->query);
    if (!message->headers || !message->query)
        return NULL;
    message->n_headers = match->headers.n;
    message->n_query = match->query.n;
    return message;
}

/* A prefix's / at the end means nothing. */
static size_t path_len(const struct route_match *match)
{
    size_t len = strlen(match->path);
    bool is_cut = match->path_kind == ROUTE_PATH_PREFIX && len > 0 && match->path[len - 1] == '/';
    return is_cut ? len - 1 : len;
}

static int larger_first(size_t a, size_t b)
{
    return (a < b) - (a > b);
}

/* Exact paths, then prefixes, the longer first; expressions between them, which is ours to choose.
 * No path is the same as the prefix "/". */
static int compare_paths(const struct route_match *a, const struct route_match *b)
{
    static const int ranks[] = {[ROUTE_PATH_EXACT] = 0,
                                [ROUTE_PATH_REGEX] = 1,
                                [ROUTE_PATH_PREFIX] = 2,
                                [ROUTE_PATH_ANY] = 2};
    if (ranks[a->path_kind] != ranks[b->path_kind])
        return ranks[a->path_kind] - ranks[b->path_kind];
    return larger_first(path_len(a), path_len(b));
}

static int compare_matches(const struct placed_match *a, const struct placed_match *b)
{
    static const struct route_match everything = {.path = "", .method = ""};
    const struct route_match *x = a->match ? a->match : &everything;
    const struct route_match *y = b->match ? b->match : &everything;
    int order = 0;
    if (a->route->object.kind == OBJECT_GRPC_ROUTE) {
        order = larger_first(x->grpc_service_len, y->grpc_service_len);
        order = order ? order : larger_first(x->grpc_method_len, y->grpc_method_len);
    } else {
        order = compare_paths(x, y);
        order = order ? order : larger_first(*x->method != '\0', *y->method != '\0');
    }
    order = order ? order : larger_first(x->headers.n, y->headers.n);
    return order ? order : larger_first(x->query.n, y->query.n);
}

static int compare_placed(const void *first, const void *second)
{
    const struct placed_match *a = first, *b = second;
    int order = larger_first(a->is_consumers, b->is_consumers);
    order = order ? order : compare_matches(a, b);
    order = order ? order : object_precedence(&a->route->object, &b->route->object);
    order = order ? order : larger_first(b->rule, a->rule);
    return order ? order : larger_first(b->index, a->index);
}

void route_match_sort(struct placed_match *placed, size_t n)
{
    if (n > 1)
        qsort(placed, n, sizeof(*placed), compare_placed);
}
