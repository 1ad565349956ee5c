/*
 * A command line (one argument a line) through the options of outrigger-init, the rules that they
 * make and every text that is written from the rules.
 */
// fuzz: init
#include <stdlib.h>
#include <string.h>

#include "init/iptables_text.h"
#include "init/options.h"
#include "init/render.h"
#include "init/rules.h"

#define MAX_ARGS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_texts(const struct rules *rules)
{
    static const struct iptables_state none;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    if (!out)
        abort();
    render_apply(rules, out);
    iptables_text_apply(rules, AF_INET, &none, out);
    iptables_text_apply(rules, AF_INET6, &none, out);
    fclose(out);
    iptables_text_state(slice_of(text, len));
    free(text);
}

/* The proxy's own connections must come out free, whatever else was asked for. */
static void check_proxy_is_free(const struct init_options *options, const struct rules *rules)
{
    struct ip ip = {AF_INET, {192, 0, 2, 1}};
    struct rule_packet packet = {.interface = "eth0", .destination = addr_make(&ip, 80)};
    if (options->proxy_uids.n == 0)
        return;
    packet.uid = options->proxy_uids.ids[0];
    if (rules_decide(rules, RULE_OUTPUT, &packet) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct init_options options;
    struct rules rules;
    struct err err;
    char *argv[MAX_ARGS + 1] = {NULL};
    int argc = 0;
    char *text = malloc(size + 1), *rest = text;
    if (!text)
        abort();
    memcpy(text, data, size);
    text[size] = '\0';
    argv[argc++] = text + size;
    while (rest && argc < MAX_ARGS)
        argv[argc++] = strsep(&rest, "\n");
    if (init_options_parse(argc, argv, &options, &err) == OPTIONS_OK) {
        if (!rules_init(&rules, &options, &err))
            abort();
        check_proxy_is_free(&options, &rules);
        write_texts(&rules);
        rules_fini(&rules);
    }
    free(text);
    return 0;
}
