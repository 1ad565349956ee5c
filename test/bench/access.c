/*
 * What an AccessPolicy costs a request, by the number of its rules and by what tells them apart:
 * the last rule is the one that matches. Medians of five rounds, in nanoseconds; JSON with --json.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "proxy/policy/access.h"
#include "test/bench/tool.h"
#include "test/unit/proxy/policy/policies.h"

#define ROUNDS 5
#define CHECKS 20000

/* How a rule with the number %u is written. */
static const struct {
    const char *name, *rule;
} shapes[] = {
    {"path", " rule to port=8080 path=/api/v1/things/%u/* method=GET"},
    {"caller", " rule from account=shop/caller-%u to port=8080 method=GET"},
    {"caller_and_path", " rule from account=shop/caller-%u to path=/api/v1/things/x/*"},
    {"grpc", " rule to grpc=shop.Things/Method%u"},
    {"header", " rule to header=x-number:%u"},
    {"method", " rule to method=M%u"}, /* no key to find it by: one after the other */
};

#define N_SHAPES (sizeof(shapes) / sizeof(shapes[0]))
#define N_SIZES  3

static const unsigned sizes[N_SIZES] = {1, 100, 1000};

static struct access_policies *build(const char *rule, unsigned n_rules)
{
    struct err err;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    fprintf(out, "allow shop/p");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    for (unsigned i = 1; i <= n_rules; i++)
        fprintf(out, rule, i);
#pragma GCC diagnostic pop
    fclose(out);
    Outrigger__V1__AccessPolicy *policy = policies_parse(text);
    struct access_policies *access = access_build(&policy, 1, ACCESS_DEFAULT_DENY, &err);
    policies_free(policy);
    free(text);
    if (!access)
        tool_die(err.text);
    return access;
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double measure(const struct access_policies *access, const struct access_request *request)
{
    double rounds[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t start = clock_now_ns();
        for (int i = 0; i < CHECKS; i++)
            if (!access_check(access, request).is_allowed)
                tool_die("the policy does not match");
        rounds[round] = (double)(clock_now_ns() - start) / CHECKS;
    }
    qsort(rounds, ROUNDS, sizeof(rounds[0]), compare);
    return rounds[ROUNDS / 2];
}

static double measure_shape(const char *shape, const char *rule, unsigned n_rules)
{
    char identity[128], path[128], number[32], method[32] = "GET";
    if (strcmp(shape, "method") == 0)
        snprintf(method, sizeof(method), "M%u", n_rules);
    struct field fields[] = {{SLICE_LITERAL("accept"), SLICE_LITERAL("*/*"), FIELD_OTHER, false},
                             {SLICE_LITERAL("x-number"), {number, 0}, FIELD_OTHER, false},
                             {SLICE_LITERAL("x-other"), SLICE_LITERAL("1"), FIELD_OTHER, false}};
    struct head head = {.fields = fields,
                        .n_fields = 3,
                        .method = slice_str(method),
                        .authority = SLICE_LITERAL("api.shop:8080")};
    fields[1].value.len = (size_t)snprintf(number, sizeof(number), "%u", n_rules);
    snprintf(identity, sizeof(identity), "spiffe://cluster.local/ns/shop/sa/caller-%u", n_rules);
    if (strcmp(shape, "grpc") == 0)
        snprintf(path, sizeof(path), "/shop.Things/Method%u", n_rules);
    else
        snprintf(path, sizeof(path), "/api/v1/things/%s/parts",
                 strcmp(shape, "path") == 0 ? number : "x");
    struct access_request request = {
        .identity = slice_str(identity), .port = 8080, .head = &head, .path = slice_str(path)};
    struct access_policies *access = build(rule, n_rules);
    double ns = measure(access, &request);
    access_free(access);
    return ns;
}

static void print_table(double results[][N_SIZES])
{
    printf("%-18s %10u %10u %10u   rules; ns a request\n", "told apart by", sizes[0], sizes[1],
           sizes[2]);
    for (size_t i = 0; i < N_SHAPES; i++)
        printf("%-18s %10.0f %10.0f %10.0f\n", shapes[i].name, results[i][0], results[i][1],
               results[i][2]);
}

static void print_json(double results[][N_SIZES])
{
    printf("{");
    for (size_t i = 0; i < N_SHAPES; i++)
        printf("%s\"%s\": {\"%u\": %.0f, \"%u\": %.0f, \"%u\": %.0f}", i > 0 ? ", " : "",
               shapes[i].name, sizes[0], results[i][0], sizes[1], results[i][1], sizes[2],
               results[i][2]);
    printf("}\n");
}

int main(int argc, char **argv)
{
    double results[N_SHAPES][N_SIZES];
    for (size_t i = 0; i < N_SHAPES; i++)
        for (size_t j = 0; j < N_SIZES; j++)
            results[i][j] = measure_shape(shapes[i].name, shapes[i].rule, sizes[j]);
    if (argc > 1 && strcmp(argv[1], "--json") == 0)
        print_json(results);
    else
        print_table(results);
    return 0;
}
