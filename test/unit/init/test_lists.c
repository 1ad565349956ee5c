#include "init/lists.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void test_ports(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *list; /* "first-last " for each; NULL: refused */
        const char *error;
    } cases[] = {
        {"", "", NULL},
        {"  ", "", NULL},
        {"80", "80-80 ", NULL},
        {"80,443", "80-80 443-443 ", NULL},
        {" 80 , 8000-8999 ", "80-80 8000-8999 ", NULL},
        {"1-65535", "1-65535 ", NULL},
        {"0", NULL, "\"0\" is neither a port"},
        {"65536", NULL, "\"65536\" is neither a port"},
        {"80,", NULL, "\"80,\" has an empty item"},
        {",80", NULL, "\",80\" has an empty item"},
        {"80,,81", NULL, "has an empty item"},
        {"80-", NULL, "\"80-\" is neither a port"},
        {"-80", NULL, "\"-80\" is neither a port"},
        {"80-70", NULL, "\"80-70\" ends before it begins"},
        {"80-90-100", NULL, "is neither a port"},
        {"80 - 90", NULL, "is neither a port"},
        {"http", NULL, "\"http\" is neither a port"},
        {"80:90", NULL, "\"80:90\" is neither a port"},
        {"+80", NULL, "is neither a port"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct port_list list = {.n = 0};
        struct err err = {.text = ""};
        char text[64] = "";
        bool is_ok = lists_add_ports(&list, slice_str(cases[i].text), &err);
        assert_int_equal(is_ok, cases[i].list != NULL);
        if (!is_ok) {
            if (!strstr(err.text, cases[i].error))
                fail_msg("%s: %s", cases[i].text, err.text);
            continue;
        }
        for (size_t j = 0; j < list.n; j++)
            snprintf(text + strlen(text), sizeof(text) - strlen(text), "%u-%u ",
                     list.ranges[j].first, list.ranges[j].last);
        assert_string_equal(text, cases[i].list);
    }
}

static void test_ids(void **state)
{
    (void)state;
    struct id_list list = {.n = 0};
    struct err err;
    assert_true(lists_add_ids(&list, SLICE_LITERAL("0,1337"), &err));
    assert_true(lists_add_ids(&list, SLICE_LITERAL("4294967294"), &err));
    assert_int_equal(list.n, 3);
    assert_int_equal(list.ids[0], 0);
    assert_int_equal(list.ids[1], 1337);
    assert_int_equal(list.ids[2], 4294967294u);
    assert_false(lists_add_ids(&list, SLICE_LITERAL("4294967295"), &err));
    assert_false(lists_add_ids(&list, SLICE_LITERAL("root"), &err));
    assert_non_null(strstr(err.text, "\"root\" is not a number between 0 and 4294967294"));
    assert_int_equal(list.n, 3);
}

static void test_cidrs(void **state)
{
    (void)state;
    struct cidr_list list = {.n = 0};
    struct err err;
    assert_true(lists_add_cidrs(&list, SLICE_LITERAL("10.0.0.0/8, fd00::/8,::1"), &err));
    assert_int_equal(list.n, 3);
    assert_int_equal(list.cidrs[0].ip.family, AF_INET);
    assert_int_equal(list.cidrs[1].prefix, 8);
    assert_int_equal(list.cidrs[2].prefix, 128);
    assert_false(lists_add_cidrs(&list, SLICE_LITERAL("10.0.0.0/8;fd00::/8"), &err));
}

static void test_interfaces(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_ok;
    } cases[] = {
        {"eth0", true},
        {"eth0.100", true},
        {"br-lan", true},
        {"veth@if3", true},
        {"a23456789012345", true},
        {"a234567890123456", false},
        {"eth+", false},
        {"eth*", false},
        {"eth0\"", false},
        {".", false},
        {"..", false},
        {"-o", false},
        {"a/b", false},
        {"a b", false},
        {"a\tb", false},
        {"eth0;drop", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct interface_list list = {.n = 0};
        struct err err;
        if (lists_add_interfaces(&list, slice_str(cases[i].text), &err) != cases[i].is_ok)
            fail_msg("%s", cases[i].text);
        if (cases[i].is_ok)
            assert_string_equal(list.names[0], cases[i].text);
    }
}

static void test_ceilings(void **state)
{
    (void)state;
    static struct cidr_list cidrs;
    static struct port_list ports;
    struct err err;
    for (size_t i = 0; i < LISTS_MAX_CIDRS; i++)
        assert_true(lists_add_cidrs(&cidrs, SLICE_LITERAL("10.0.0.1"), &err));
    assert_false(lists_add_cidrs(&cidrs, SLICE_LITERAL("10.0.0.1"), &err));
    assert_string_equal(err.text, "more than 512 items");
    for (size_t i = 0; i < LISTS_MAX_PORTS; i++)
        assert_true(lists_add_ports(&ports, SLICE_LITERAL("1"), &err));
    assert_false(lists_add_ports(&ports, SLICE_LITERAL("1"), &err));
}

static void test_port_overlap(void **state)
{
    (void)state;
    struct port_list list = {{{80, 90}, {100, 100}}, 2};
    assert_ptr_equal(lists_port_overlap(&list, (struct port_range){1, 80}), &list.ranges[0]);
    assert_ptr_equal(lists_port_overlap(&list, (struct port_range){85, 86}), &list.ranges[0]);
    assert_ptr_equal(lists_port_overlap(&list, (struct port_range){91, 100}), &list.ranges[1]);
    assert_null(lists_port_overlap(&list, (struct port_range){91, 99}));
    assert_null(lists_port_overlap(&list, (struct port_range){101, 65535}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ports),    cmocka_unit_test(test_ids),
        cmocka_unit_test(test_cidrs),    cmocka_unit_test(test_interfaces),
        cmocka_unit_test(test_ceilings), cmocka_unit_test(test_port_overlap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
