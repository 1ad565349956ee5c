#include "proxy/route/match.h"

#include "common/http/query.h"

static bool value_fits(const struct route_value *wanted, struct slice value)
{
    switch (wanted->kind) {
    case VALUE_PRESENT:
        return true;
    case VALUE_EXACT:
        return slice_eq(wanted->value, value);
    case VALUE_REGEX:
        return regex_matches(wanted->regex, value);
    }
    return false;
}

static bool header_fits(const struct route_value *wanted, const struct head *head)
{
    const struct field *field = head_find_name(head, wanted->name);
    return field && value_fits(wanted, field->value);
}

static bool parameter_fits(const struct route_value *wanted, struct slice query)
{
    struct slice value;
    return query_find(query, wanted->name, &value) && value_fits(wanted, value);
}

/* All but the path. */
static bool rest_fits(const struct route_match *match, const struct route_request *request)
{
    if (match->method.len > 0 && !slice_eq(match->method, request->method))
        return false;
    for (size_t i = 0; i < match->n_headers; i++)
        if (!header_fits(&match->headers[i], request->head))
            return false;
    for (size_t i = 0; i < match->n_query; i++)
        if (!parameter_fits(&match->query[i], request->query))
            return false;
    return true;
}

static bool path_fits(const struct route_match *match, struct slice path)
{
    switch (match->path_kind) {
    case PATH_ANY:
        return true;
    case PATH_EXACT:
        return slice_eq(match->path, path);
    case PATH_PREFIX:
        return slice_starts_with(path, SLICE_LITERAL("/")) &&
               slice_starts_with(path, match->path) &&
               (path.len == match->path.len || path.ptr[match->path.len] == '/');
    case PATH_REGEX:
        return regex_matches(match->path_regex, path);
    }
    return false;
}

/* The earlier of what was found and the first of a chain that fits. */
static const struct route_match *earlier(const struct route_match *found,
                                         const struct route_match *chain,
                                         const struct route_request *request)
{
    for (; chain && (!found || chain < found); chain = chain->next_same_path)
        if (rest_fits(chain, request))
            return chain;
    return found;
}

static const struct route_match *match_prefixes(const struct routes *routes,
                                                const struct route_request *request,
                                                const struct route_match *found)
{
    if (routes->prefix.count == 0 || !slice_starts_with(request->path, SLICE_LITERAL("/")))
        return found;
    /* Every prefix that ends where a segment does; none that is longer than all that are known, or
     * a path of slashes alone would be hashed once for each of them. */
    size_t longest =
        request->path.len < routes->longest_prefix ? request->path.len : routes->longest_prefix;
    for (size_t len = 0; len <= longest; len++)
        if (len == request->path.len || request->path.ptr[len] == '/')
            found =
                earlier(found, map_get(&routes->prefix, slice_sub(request->path, 0, len)), request);
    return found;
}

const struct route_match *routes_match(const struct routes *routes,
                                       const struct route_request *request)
{
    const struct route_match *found = NULL;
    if (routes->exact.count > 0)
        found = earlier(found, map_get(&routes->exact, request->path), request);
    found = match_prefixes(routes, request, found);
    for (size_t i = 0; i < routes->n_rest && (!found || routes->rest[i] < found); i++)
        if (path_fits(routes->rest[i], request->path) && rest_fits(routes->rest[i], request))
            return routes->rest[i];
    return found;
}

const struct route_match *routes_match_slowly(const struct routes *routes,
                                              const struct route_request *request)
{
    for (size_t i = 0; i < routes->n_matches; i++) {
        const struct route_match *match = &routes->matches[i];
        if (path_fits(match, request->path) && rest_fits(match, request))
            return match;
    }
    return NULL;
}
