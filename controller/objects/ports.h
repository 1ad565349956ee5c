/*
 * Ports and ranges of ports, as annotations and policies write them.
 */
#ifndef OUTRIGGER_CONTROLLER_OBJECTS_PORTS_H
#define OUTRIGGER_CONTROLLER_OBJECTS_PORTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controller/objects/field.h"

struct port_range {
    uint16_t first;
    uint16_t last; /* at least `first` */
};

struct port_ranges {
    const struct port_range *list;
    size_t n;
};

bool port_ranges_has(struct port_ranges ranges, uint16_t port);

/* How many ports the ranges hold; those that two ranges hold count twice. */
size_t port_ranges_size(struct port_ranges ranges);

/* A number, 1-65535; 0 when absent. */
uint16_t field_port(const struct field *field);

/* A list whose items are numbers or texts "9000-9010"; empty when absent. */
struct port_ranges field_port_list(const struct field *list);

/* A text "3306,9000-9010"; empty when absent. */
struct port_ranges field_port_text(const struct field *field);

#endif
