/*
 * What the process gives up, and what it needs of the kernel, before it does anything else.
 */
#ifndef OUTRIGGER_COMMON_CONFINE_H
#define OUTRIGGER_COMMON_CONFINE_H

/*
 * No core file and no debugger of the same user, for there are keys in memory; no new privileges;
 * as many descriptors as are allowed; a peer that has gone is an error and no signal. `threads`:
 * how many will allocate. Before any thread is started; what the kernel refuses is logged.
 */
void confine_process(unsigned threads);

#endif
