#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "common/jitter.h"
#include "proxy/route/match.h"

#define COUNT(a)    (sizeof(a) / sizeof((a)[0]))
#define MATCHES_MAX 300

/* Routes written as lines: "PATHKIND PATH [METHOD] [h:NAME=VALUE] [q:NAME=VALUE]". */
struct wire {
    struct arena arena;
    Outrigger__V1__Service service;
    Outrigger__V1__RouteRule rule, *rules[1];
    Outrigger__V1__RouteMatch match[MATCHES_MAX], *matches[MATCHES_MAX];
};

static char *text(struct wire *wire, struct slice slice)
{
    char *copy = arena_text(&wire->arena, slice);
    assert_non_null(copy);
    return copy;
}

static void wire_init(struct wire *wire)
{
    static char name[] = "HTTPRoute/shop/web/0", empty[] = "";
    *wire = (struct wire){.service = OUTRIGGER__V1__SERVICE__INIT,
                          .rule = OUTRIGGER__V1__ROUTE_RULE__INIT};
    wire->rule.name = name;
    wire->service.name = empty;
    wire->rules[0] = &wire->rule;
    wire->service.rules = wire->rules;
    wire->service.n_rules = 1;
    wire->service.matches = wire->matches;
}

static struct slice next_word(struct slice *line)
{
    const char *end = memchr(line->ptr, ' ', line->len);
    struct slice word = slice_sub(*line, 0, end ? (size_t)(end - line->ptr) : line->len);
    *line = slice_sub(*line, word.len + 1, line->len);
    return word;
}

static void add_value(struct wire *wire, struct slice word, Outrigger__V1__ValueMatch ***list,
                      size_t *n)
{
    Outrigger__V1__ValueMatch *value = arena_take(&wire->arena, sizeof(*value));
    if (!*list)
        *list = arena_take_array(&wire->arena, 8, sizeof(**list));
    assert_non_null(value);
    assert_non_null(*list);
    outrigger__v1__value_match__init(value);
    word = slice_sub(word, 2, word.len);
    const char *mark = strpbrk(word.ptr, "=~ ");
    size_t len =
        mark && (size_t)(mark - word.ptr) < word.len ? (size_t)(mark - word.ptr) : word.len;
    value->name = text(wire, slice_sub(word, 0, len));
    if (len < word.len) {
        value->kind = *mark == '=' ? OUTRIGGER__V1__VALUE_KIND__VALUE_EXACT
                                   : OUTRIGGER__V1__VALUE_KIND__VALUE_REGEX;
        value->value = text(wire, slice_sub(word, len + 1, word.len));
    }
    (*list)[(*n)++] = value;
}

static void wire_add(struct wire *wire, const char *line_text)
{
    static const char *const kinds[] = {"any", "exact", "prefix", "regex"};
    struct slice line = slice_str(line_text);
    size_t i = wire->service.n_matches++;
    Outrigger__V1__RouteMatch *match = wire->matches[i] = &wire->match[i];
    outrigger__v1__route_match__init(match);
    struct slice kind = next_word(&line);
    for (int k = 0; k < 4; k++)
        if (slice_eq_str(kind, kinds[k]))
            match->path_kind = (Outrigger__V1__PathKind)k;
    if (match->path_kind != OUTRIGGER__V1__PATH_KIND__PATH_ANY)
        match->path = text(wire, next_word(&line));
    while (line.len > 0) {
        struct slice word = next_word(&line);
        if (slice_starts_with(word, SLICE_LITERAL("h:")))
            add_value(wire, word, &match->headers, &match->n_headers);
        else if (slice_starts_with(word, SLICE_LITERAL("q:")))
            add_value(wire, word, &match->query, &match->n_query);
        else
            match->method = text(wire, word);
    }
}

struct asked {
    const char *method, *path, *query, *header, *value;
};

/* The index of the match; -1: none. Both ways of looking must agree. */
static int ask(const struct routes *routes, const struct asked *asked)
{
    struct arena arena = {0};
    struct head head;
    head_init(&head, &arena);
    if (asked->header)
        assert_true(head_add(&head, slice_str(asked->header), slice_str(asked->value)));
    struct route_request request = {slice_str(asked->method), slice_str(asked->path),
                                    slice_str(asked->query ? asked->query : ""), &head};
    const struct route_match *match = routes_match(routes, &request);
    if (match != routes_match_slowly(routes, &request))
        fail_msg("%s %s: the index finds another match than the list", asked->method, asked->path);
    arena_fini(&arena);
    return match ? (int)(match - routes->matches) : -1;
}

static void test_parts_of_a_match(void **state)
{
    (void)state;
    static const struct {
        const char *match;
        struct asked asked;
        bool fits;
    } cases[] = {
        {"any", {"GET", "/x", NULL, NULL, NULL}, true},
        {"any", {"OPTIONS", "*", NULL, NULL, NULL}, true},
        {"any", {"CONNECT", "", NULL, NULL, NULL}, true},
        {"exact /a", {"GET", "/a", NULL, NULL, NULL}, true},
        {"exact /a", {"GET", "/a/", NULL, NULL, NULL}, false},
        {"exact /a", {"GET", "/A", NULL, NULL, NULL}, false},
        {"exact /a/", {"GET", "/a/", NULL, NULL, NULL}, true},
        {"exact /a/", {"GET", "/a", NULL, NULL, NULL}, false},
        {"prefix /", {"GET", "/", NULL, NULL, NULL}, true},
        {"prefix /", {"GET", "/a/b", NULL, NULL, NULL}, true},
        {"prefix /", {"OPTIONS", "*", NULL, NULL, NULL}, false},
        {"prefix /a", {"GET", "/a", NULL, NULL, NULL}, true},
        {"prefix /a", {"GET", "/a/b", NULL, NULL, NULL}, true},
        {"prefix /a", {"GET", "/ab", NULL, NULL, NULL}, false},
        {"prefix /a/", {"GET", "/a", NULL, NULL, NULL}, true},
        {"prefix /a/", {"GET", "/a/b", NULL, NULL, NULL}, true},
        {"prefix /a/b", {"GET", "/a", NULL, NULL, NULL}, false},
        {"regex /v[0-9]+/.*", {"GET", "/v12/x", NULL, NULL, NULL}, true},
        {"regex /v[0-9]+", {"GET", "/v1/x", NULL, NULL, NULL}, false},
        {"any POST", {"POST", "/", NULL, NULL, NULL}, true},
        {"any POST", {"GET", "/", NULL, NULL, NULL}, false},
        {"any POST", {"post", "/", NULL, NULL, NULL}, false},
        {"any h:x-user=ann", {"GET", "/", NULL, "x-user", "ann"}, true},
        {"any h:x-user=ann", {"GET", "/", NULL, "x-user", "Ann"}, false},
        {"any h:x-user=ann", {"GET", "/", NULL, "x-us", "ann"}, false},
        {"any h:x-user~a.+", {"GET", "/", NULL, "x-user", "ann"}, true},
        {"any h:x-user~a.+", {"GET", "/", NULL, "x-user", "bann"}, false},
        {"any h:x-user", {"GET", "/", NULL, "x-user", ""}, true},
        {"any h:x-user h:x-b", {"GET", "/", NULL, "x-user", ""}, false},
        {"any h:accept=text/html", {"GET", "/", NULL, "accept", "text/html"}, true},
        {"any q:v=2", {"GET", "/", "?v=2", NULL, NULL}, true},
        {"any q:v=2", {"GET", "/", "?a=1&v=2&b", NULL, NULL}, true},
        {"any q:v=2", {"GET", "/", "?v=1&v=2", NULL, NULL}, false},
        {"any q:v=2", {"GET", "/", "?vv=2", NULL, NULL}, false},
        {"any q:v=2", {"GET", "/", "", NULL, NULL}, false},
        {"any q:v", {"GET", "/", "?v", NULL, NULL}, true},
        {"any q:v=", {"GET", "/", "?v", NULL, NULL}, true},
        {"any q:v~[0-9]+", {"GET", "/", "?v=12", NULL, NULL}, true},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct wire wire;
        struct routes routes = {0};
        struct err err = {0};
        wire_init(&wire);
        wire_add(&wire, cases[i].match);
        if (!routes_build(&routes, &wire.service, &err))
            fail_msg("%s: %s", cases[i].match, err.text);
        if ((ask(&routes, &cases[i].asked) == 0) != cases[i].fits)
            fail_msg("\"%s\" and %s %s", cases[i].match, cases[i].asked.method,
                     cases[i].asked.path);
        routes_fini(&routes);
        arena_fini(&wire.arena);
    }
}

static void test_the_first_that_fits(void **state)
{
    (void)state;
    struct wire wire;
    struct routes routes = {0};
    struct err err = {0};
    wire_init(&wire);
    wire_add(&wire, "exact /a h:x=1");
    wire_add(&wire, "prefix /a/b");
    wire_add(&wire, "regex /a/b/.* POST");
    wire_add(&wire, "exact /a");
    wire_add(&wire, "prefix /a/b GET"); /* never reached */
    wire_add(&wire, "prefix /a");
    wire_add(&wire, "any POST");
    assert_true(routes_build(&routes, &wire.service, &err));
    assert_int_equal(ask(&routes, &(struct asked){"GET", "/a", NULL, "x", "1"}), 0);
    assert_int_equal(ask(&routes, &(struct asked){"GET", "/a", NULL, NULL, NULL}), 3);
    assert_int_equal(ask(&routes, &(struct asked){"POST", "/a/b/c", NULL, NULL, NULL}), 1);
    assert_int_equal(ask(&routes, &(struct asked){"GET", "/a/c", NULL, NULL, NULL}), 5);
    assert_int_equal(ask(&routes, &(struct asked){"POST", "/", NULL, NULL, NULL}), 6);
    assert_int_equal(ask(&routes, &(struct asked){"GET", "/", NULL, NULL, NULL}), -1);
    routes_fini(&routes);
    arena_fini(&wire.arena);
}

static const char *one_of(const char *const *texts, size_t n)
{
    return texts[jitter_below(n)];
}

/* The index against trying all in order, on routes made by chance. */
static void test_index_agrees_with_the_list(void **state)
{
    (void)state;
    static const char *const kinds[] = {"any",        "exact /a",    "exact /a/b", "exact /",
                                        "prefix /a",  "prefix /a/b", "prefix /",   "prefix /a/b/c",
                                        "regex /a.*", "regex .*/c"};
    static const char *const rests[] = {"",       " GET",   " POST",
                                        " h:x=1", " q:v=1", " GET h:x=1 q:v=1"};
    static const char *const paths[] = {"/",   "/a", "/a/b", "/a/b/c", "/a//b",
                                        "/ab", "*",  "",     "/b/c"};
    static const char *const methods[] = {"GET", "POST"}, *const queries[] = {"", "?v=1"};
    for (int round = 0; round < 200; round++) {
        struct wire wire;
        struct routes routes = {0};
        struct err err = {0};
        wire_init(&wire);
        for (uint64_t n = jitter_below(40); n > 0; n--) {
            char line[128];
            snprintf(line, sizeof(line), "%s%s", one_of(kinds, COUNT(kinds)),
                     one_of(rests, COUNT(rests)));
            wire_add(&wire, line);
        }
        assert_true(routes_build(&routes, &wire.service, &err));
        for (int i = 0; i < 100; i++)
            ask(&routes, &(struct asked){one_of(methods, 2), one_of(paths, COUNT(paths)),
                                         one_of(queries, 2), jitter_below(2) ? "x" : NULL, "1"});
        routes_fini(&routes);
        arena_fini(&wire.arena);
    }
}

static void test_what_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *match, *complaint;
    } cases[] = {
        {"exact a", "matches[0].path: \"a\" does not begin with '/'"},
        {"regex /(", "matches[0].path: regular expression \"/(\", byte 2"},
        {"any h:X=1", "matches[0].headers[0].name"},
        {"any q:=1", "matches[0].query[0].name: empty"},
        {"any h:x~[", "matches[0].headers[0].value: regular expression"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct wire wire;
        struct routes routes = {0};
        struct err err = {0};
        wire_init(&wire);
        wire_add(&wire, cases[i].match);
        assert_false(routes_build(&routes, &wire.service, &err));
        if (!strstr(err.text, cases[i].complaint))
            fail_msg("%s: %s", cases[i].match, err.text);
        routes_fini(&routes);
        arena_fini(&wire.arena);
    }
}

static void test_numbers_that_are_not_known(void **state)
{
    (void)state;
    struct wire wire;
    struct routes routes = {0};
    struct err err = {0};
    wire_init(&wire);
    wire_add(&wire, "exact /a h:x=1");
    wire.match[0].rule = 1;
    assert_false(routes_build(&routes, &wire.service, &err));
    assert_non_null(strstr(err.text, "matches[0].rule: 1, and there are 1 rules"));
    routes_fini(&routes);
    wire.match[0].rule = 0;
    wire.match[0].headers[0]->kind = (Outrigger__V1__ValueKind)9;
    assert_false(routes_build(&routes, &wire.service, &err));
    assert_non_null(strstr(err.text, "matches[0].headers[0].kind: 9 is not known"));
    routes_fini(&routes);
    wire.match[0].path_kind = (Outrigger__V1__PathKind)9;
    assert_false(routes_build(&routes, &wire.service, &err));
    assert_non_null(strstr(err.text, "matches[0].path_kind: 9 is not known"));
    routes_fini(&routes);
    arena_fini(&wire.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts_of_a_match),
        cmocka_unit_test(test_the_first_that_fits),
        cmocka_unit_test(test_index_agrees_with_the_list),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_numbers_that_are_not_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
