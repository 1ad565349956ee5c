#include "proxy/policy/access_covers.h"

#include <stdlib.h>

#include "proxy/policy/access_match.h"

#define N_PORTS (UINT16_MAX + 1)

/* The ports of a target that no earlier policy covers. `left` is the number of such ports. */
static void access_paint(uint16_t *painted, size_t *left, const struct access_target *to,
                         uint16_t policy)
{
    static const struct access_range all = {0, UINT16_MAX};
    bool is_any = !to || to->ports.n == 0;
    size_t n = is_any ? 1 : to->ports.n;
    for (size_t i = 0; i<n && * left> 0; i++) {
        struct access_range range = is_any ? all : to->ports.list[i];
        for (uint32_t port = range.first; port <= range.last; port++) {
            if (painted[port] != ACCESS_NO_POLICY ||
                (to && access_has_port(&to->not_ports, (uint16_t)port)))
                continue;
            painted[port] = policy;
            --*left;
        }
    }
}

static void access_paint_policy(uint16_t *painted, size_t *left, const struct access_policy *from,
                                uint16_t number)
{
    if (from->n_rules == 0)
        access_paint(painted, left, NULL, number);
    for (size_t i = 0; i<from->n_rules && * left> 0; i++) {
        const struct access_rule *rule = &from->rules[i];
        if (rule->n_to == 0)
            access_paint(painted, left, NULL, number);
        for (size_t j = 0; j<rule->n_to && * left> 0; j++)
            access_paint(painted, left, &rule->to[j], number);
    }
}

static bool access_has_allow(const struct access_policies *policies)
{
    for (size_t i = 0; i < policies->n; i++)
        if (policies->list[i].action == ACCESS_ALLOW)
            return true;
    return false;
}

bool access_covers_build(struct access_policies *policies)
{
    size_t left = N_PORTS, n = 0;
    if (!access_has_allow(policies))
        return true;
    uint16_t *painted = malloc(N_PORTS * sizeof(*painted));
    if (!painted)
        return false;
    memset(painted, 0xff, N_PORTS * sizeof(*painted));
    for (size_t i = 0; i < policies->n && left > 0; i++)
        if (policies->list[i].action == ACCESS_ALLOW)
            access_paint_policy(painted, &left, &policies->list[i], (uint16_t)i);
    for (uint32_t port = 0; port < N_PORTS; port++)
        n += port == UINT16_MAX || painted[port] != painted[port + 1];
    policies->covers = calloc(n, sizeof(*policies->covers));
    for (uint32_t port = 0; policies->covers && port < N_PORTS; port++)
        if (port == UINT16_MAX || painted[port] != painted[port + 1])
            policies->covers[policies->n_covers++] =
                (struct access_cover){(uint16_t)port, painted[port]};
    free(painted);
    return policies->covers != NULL;
}

size_t access_covers_find(const struct access_policies *policies, uint16_t port)
{
    const struct access_cover *covers = policies->covers;
    if (policies->n_covers == 0)
        return policies->n;
    size_t from = 0, to = policies->n_covers - 1; /* the last one ends with the last port */
    while (from < to) {
        size_t middle = (from + to) / 2;
        if (covers[middle].last < port)
            from = middle + 1;
        else
            to = middle;
    }
    return covers[from].policy == ACCESS_NO_POLICY ? policies->n : covers[from].policy;
}

void access_covers_free(struct access_policies *policies)
{
    free(policies->covers);
}
