/* What a TrafficPolicy says about asking again, for the routes of a Service that do not say it. */
#ifndef OUTRIGGER_CONTROLLER_COMPILE_RETRIES_H
#define OUTRIGGER_CONTROLLER_COMPILE_RETRIES_H

#include "controller/compile/context.h"
#include "controller/objects/service.h"
#include "proto/resources.pb-c.h"

/*
 * After the routes: fills the budget, and retries and time of an attempt of each rule that has none
 * of its own. Where no route is attached a rule is made that sends everything to the Service's own
 * backends, because it is rules that have retries.
 */
void retries_compile(struct compile *compile, const struct service *service,
                     Outrigger__V1__Service *message);

#endif
