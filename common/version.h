/* The version of all programs; they are built and released together. */
#ifndef OUTRIGGER_COMMON_VERSION_H
#define OUTRIGGER_COMMON_VERSION_H

#define OUTRIGGER_VERSION "0.1.0"

#endif
