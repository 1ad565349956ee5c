/*
 * The process: what is started in which order, what happens on a signal, and the end.
 *
 *     serving --SIGTERM, POST /drain--> draining --again, POST /quit, all workers done--> over
 *
 * The main thread runs all of this; workers carry the connections.
 */
#ifndef OUTRIGGER_PROXY_PROCESS_H
#define OUTRIGGER_PROXY_PROCESS_H

#include "common/err.h"
#include "proxy/options.h"

struct process;

/*
 * Opens the ports, starts the workers and asks the controller. The options must outlive the
 * process. NULL with `err` naming what could not be had, e.g. the port; nothing is left then.
 */
struct process *process_start(const struct proxy_options *options, struct err *err);

/* Runs until every worker has stopped. */
void process_run(struct process *process);

/* After process_run(). */
void process_free(struct process *process);

#endif
