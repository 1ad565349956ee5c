/*
 * What libevent has to say, as log lines of ours: without this it writes bare lines to standard
 * error.
 */
#ifndef OUTRIGGER_COMMON_LOG_LIBEVENT_H
#define OUTRIGGER_COMMON_LOG_LIBEVENT_H

/* For the whole process. After log_setup(), before the first event base. */
void log_libevent(void);

#endif
