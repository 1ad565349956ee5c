/*
 * SIGTERM and SIGINT, once a program is ending because of them.
 */
#ifndef OUTRIGGER_COMMON_END_SIGNALS_H
#define OUTRIGGER_COMMON_END_SIGNALS_H

/*
 * From here on they change nothing more: without their events, whose removal restores the default,
 * one that comes late would kill a program that is ending in order and spoil its exit code. For the
 * last thread of a process.
 */
void end_signals_block(void);

#endif
