/*
 * The lists that options take: "80,443,8000-8999". Each has a ceiling; items may have blanks around
 * them; an empty text adds nothing. Pure.
 */
#ifndef OUTRIGGER_INIT_LISTS_H
#define OUTRIGGER_INIT_LISTS_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cidr.h"
#include "common/err.h"
#include "common/slice.h"

/* A list of blocks must fit one netlink attribute (64 KiB) at 2 elements of 36 bytes a block. */
#define LISTS_MAX_IDS        64
#define LISTS_MAX_PORTS      256
#define LISTS_MAX_CIDRS      512
#define LISTS_MAX_INTERFACES 32

struct id_list {
    uint32_t ids[LISTS_MAX_IDS];
    size_t n;
};

struct port_range {
    uint16_t first, last; /* both inclusive */
};

struct port_list {
    struct port_range ranges[LISTS_MAX_PORTS];
    size_t n;
};

struct cidr_list {
    struct cidr cidrs[LISTS_MAX_CIDRS];
    size_t n;
};

struct interface_list {
    char names[LISTS_MAX_INTERFACES][IFNAMSIZ]; /* padded with zeros */
    size_t n;
};

/*
 * For option_row.parse: `field` is the address of the list, to which the items of `value` are
 * added. What is wrong is told with the item that is wrong.
 */
bool lists_add_ids(void *field, struct slice value, struct err *err) MUST_USE;
bool lists_add_ports(void *field, struct slice value, struct err *err) MUST_USE;
bool lists_add_cidrs(void *field, struct slice value, struct err *err) MUST_USE;
bool lists_add_interfaces(void *field, struct slice value, struct err *err) MUST_USE;

/* The first range of `list` that has a port of `range` in it, or NULL. */
const struct port_range *lists_port_overlap(const struct port_list *list, struct port_range range);

#endif
