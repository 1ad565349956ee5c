/*
 * The three descriptors that every program is given, or not: started without one (`>&-`), the first
 * socket that is opened would get its number and the log lines with it.
 */
#ifndef OUTRIGGER_COMMON_STD_STREAMS_H
#define OUTRIGGER_COMMON_STD_STREAMS_H

#include <stdbool.h>

#include "common/err.h"

/* First thing in main(): takes the numbers 0 to 2 where they are free, with what takes no byte. */
void std_streams_open(void);

/* Flushes what was printed on standard output; false when not all of it was taken. */
bool std_streams_flush(struct err *err) MUST_USE;

#endif
