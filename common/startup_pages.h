/*
 * Gives back the pages of code and constants that only starting needed: symbol tables, relocation,
 * library initialisers. Most of what a small process has resident is such pages of shared
 * libraries; while they are mapped the kernel takes them for in use. What is still needed comes
 * back from the page cache at its next use, without a read.
 */
#ifndef OUTRIGGER_COMMON_STARTUP_PAGES_H
#define OUTRIGGER_COMMON_STARTUP_PAGES_H

/* Once, when the program has become ready. Never fails: a segment that cannot be given back stays.
 */
void startup_pages_drop(void);

#endif
