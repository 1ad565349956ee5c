#include "proxy/policy/access_match.h"

/* RFC 3986 3.2.2: a port after the last colon, unless that is within the brackets of an IPv6
 * address. A final dot says that the name is whole, which makes it no other name. */
static struct slice access_host_of(struct slice authority)
{
    for (size_t i = authority.len; i > 0 && authority.ptr[i - 1] != ']'; i--) {
        if (authority.ptr[i - 1] == ':') {
            authority.len = i - 1;
            break;
        }
    }
    if (slice_ends_with(authority, SLICE_LITERAL(".")))
        authority.len--;
    return authority;
}

bool access_peer_init(struct access_peer *peer, const struct access_request *request)
{
    struct err err;
    *peer = (struct access_peer){.request = request};
    if (request->head)
        peer->host = access_host_of(request->head->authority);
    return request->identity.len == 0 || spiffe_parse(request->identity, &peer->id, &err);
}

/* ---- from ---- */

static bool access_has_identity(const struct access_texts *texts, const struct access_peer *peer)
{
    for (size_t i = 0; i < texts->n; i++) {
        const struct access_text *text = &texts->list[i];
        if (peer->id.text.len > 0 &&
            (text->match == ACCESS_PREFIX ? slice_starts_with(peer->id.text, text->whole)
                                          : slice_eq(peer->id.text, text->whole)))
            return true;
    }
    return false;
}

static bool access_has_account(const struct access_texts *texts, const struct access_peer *peer)
{
    for (size_t i = 0; i < texts->n; i++)
        if (peer->id.namespace.len > 0 && slice_eq(peer->id.namespace, texts->list[i].namespace) &&
            slice_eq(peer->id.service_account, texts->list[i].account))
            return true;
    return false;
}

static bool access_has_namespace(const struct access_texts *texts, const struct access_peer *peer)
{
    for (size_t i = 0; i < texts->n; i++)
        if (peer->id.namespace.len > 0 && slice_eq(peer->id.namespace, texts->list[i].whole))
            return true;
    return false;
}

static bool access_has_block(const struct access_blocks *blocks, const struct access_peer *peer)
{
    for (size_t i = 0; i < blocks->n; i++)
        if (cidr_contains(&blocks->list[i], &peer->request->source))
            return true;
    return false;
}

static bool access_source_matches(const struct access_source *source,
                                  const struct access_peer *peer)
{
    if (source->unauthenticated && peer->id.text.len > 0)
        return false;
    if ((source->identities.n > 0 && !access_has_identity(&source->identities, peer)) ||
        (source->accounts.n > 0 && !access_has_account(&source->accounts, peer)) ||
        (source->namespaces.n > 0 && !access_has_namespace(&source->namespaces, peer)) ||
        (source->blocks.n > 0 && !access_has_block(&source->blocks, peer)))
        return false;
    return !access_has_identity(&source->not_identities, peer) &&
           !access_has_account(&source->not_accounts, peer) &&
           !access_has_namespace(&source->not_namespaces, peer) &&
           !access_has_block(&source->not_blocks, peer);
}

static bool access_rule_admits(const struct access_rule *rule, const struct access_peer *peer)
{
    for (size_t i = 0; i < rule->n_from; i++)
        if (access_source_matches(&rule->from[i], peer))
            return true;
    return rule->n_from == 0;
}

/* ---- to ---- */

bool access_has_port(const struct access_ranges *ranges, uint16_t port)
{
    for (size_t i = 0; i < ranges->n; i++)
        if (port >= ranges->list[i].first && port <= ranges->list[i].last)
            return true;
    return false;
}

static bool access_text_matches(const struct access_text *text, struct slice value)
{
    switch (text->match) {
    case ACCESS_EXACT:
        return slice_eq(value, text->whole);
    case ACCESS_PREFIX:
        return slice_starts_with(value, text->whole);
    case ACCESS_BELOW:
        return slice_starts_with(value, text->whole) &&
               (value.len == text->whole.len || value.ptr[text->whole.len] == '/');
    case ACCESS_SUFFIX:
        return slice_ends_with(value, text->whole);
    }
    return false;
}

static bool access_has_text(const struct access_texts *texts, struct slice value)
{
    for (size_t i = 0; i < texts->n; i++)
        if (access_text_matches(&texts->list[i], value))
            return true;
    return false;
}

static bool access_has_regex(const struct access_regexes *regexes, struct slice value)
{
    for (size_t i = 0; i < regexes->n; i++)
        if (regex_matches(regexes->list[i].regex, value))
            return true;
    return false;
}

/* Host names differ in case without being different; a name below a suffix has something in front
 * of it. */
static bool access_has_host(const struct access_texts *texts, struct slice host)
{
    for (size_t i = 0; i < texts->n && host.len > 0; i++) {
        const struct access_text *text = &texts->list[i];
        bool is_suffix = text->match == ACCESS_SUFFIX;
        size_t before = host.len > text->whole.len ? host.len - text->whole.len : 0;
        if (is_suffix ? before == 0 : host.len != text->whole.len)
            continue;
        if (strncasecmp(host.ptr + before, text->whole.ptr, text->whole.len) == 0)
            return true;
    }
    return false;
}

/* One field of that name, with one of the values, will do. */
static bool access_header_matches(const struct access_header *header, const struct head *head)
{
    for (size_t i = 0; i < head->n_fields; i++) {
        const struct field *field = &head->fields[i];
        if (field->id != header->id ||
            (field->id == FIELD_OTHER && !slice_eq_str(field->name, header->name)))
            continue;
        if ((header->values.n == 0 && header->regexes.n == 0) ||
            access_has_text(&header->values, field->value) ||
            access_has_regex(&header->regexes, field->value))
            return true;
    }
    return false;
}

static bool access_headers_match(const struct access_target *to, const struct head *head)
{
    for (size_t i = 0; i < to->headers.n; i++)
        if (!access_header_matches(&to->headers.list[i], head))
            return false;
    for (size_t i = 0; i < to->not_headers.n; i++)
        if (access_header_matches(&to->not_headers.list[i], head))
            return false;
    return true;
}

static bool access_fits(const struct access_texts *any_of, const struct access_texts *none_of,
                        struct slice value)
{
    return (any_of->n == 0 || access_has_text(any_of, value)) && !access_has_text(none_of, value);
}

static bool access_path_fits(const struct access_target *to, struct slice path)
{
    if (access_has_text(&to->not_paths, path))
        return false;
    return (to->paths.n == 0 && to->path_regexes.n == 0) || access_has_text(&to->paths, path) ||
           access_has_regex(&to->path_regexes, path);
}

static bool access_request_fits(const struct access_target *to, const struct access_peer *peer)
{
    const struct head *head = peer->request->head;
    return access_path_fits(to, peer->request->path) &&
           access_fits(&to->grpc_methods, &to->not_grpc_methods, peer->request->path) &&
           access_fits(&to->methods, &to->not_methods, head->method) &&
           (to->hosts.n == 0 || access_has_host(&to->hosts, peer->host)) &&
           !access_has_host(&to->not_hosts, peer->host) && access_headers_match(to, head);
}

static enum access_answer access_target_covers(const struct access_target *to,
                                               const struct access_peer *peer,
                                               const enum access_answer *headless)
{
    uint16_t port = peer->request->port;
    if ((to->ports.n > 0 && !access_has_port(&to->ports, port)) ||
        access_has_port(&to->not_ports, port))
        return ACCESS_NO;
    if (!to->has_request_conditions)
        return ACCESS_YES;
    if (headless)
        return *headless;
    return access_request_fits(to, peer) ? ACCESS_YES : ACCESS_NO;
}

enum access_answer access_rule_matches(const struct access_rule *rule,
                                       const struct access_peer *peer,
                                       const enum access_answer *headless)
{
    enum access_answer covered = rule->n_to == 0 ? ACCESS_YES : ACCESS_NO;
    for (size_t i = 0; i < rule->n_to && covered != ACCESS_YES; i++) {
        enum access_answer answer = access_target_covers(&rule->to[i], peer, headless);
        if (answer > covered)
            covered = answer;
    }
    return covered != ACCESS_NO && access_rule_admits(rule, peer) ? covered : ACCESS_NO;
}
