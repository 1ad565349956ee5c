/*
 * A folder of Kubernetes YAML as the source of objects: every *.yaml and *.yml in it and in its
 * subfolders (names that begin with a dot are not looked at, which is also how the `..data` folders
 * of a mounted ConfigMap are passed over: their files are read through the links beside them).
 *
 * Changes are followed through inotify and take effect about 20 ms after the last of a burst began.
 * A file that is being written is read when its writer closes it. A file that is wrong is told once
 * in the log, with file, line, field and what was expected; the objects of its last good version
 * stay until it is mended or removed. The other files are not concerned.
 */
#ifndef OUTRIGGER_CONTROLLER_SOURCE_MANIFESTS_H
#define OUTRIGGER_CONTROLLER_SOURCE_MANIFESTS_H

#include <event2/event.h>

#include "common/err.h"
#include "controller/objects/problems.h"
#include "controller/objects/store.h"
#include "controller/source/skipped.h"

#define MANIFESTS_FILE_MAX_BYTES (8u << 20) /* of one file */
#define MANIFESTS_FILES_MAX      20000u
#define MANIFESTS_FOLDERS_MAX    1000u
#define MANIFESTS_DEPTH_MAX      16u /* of folders in folders */
#define MANIFESTS_DEBOUNCE_MS    20u

struct manifests;

/*
 * Reads the folder (the store is filled and committed when this returns; wrong files are in
 * `problems`) and follows it from then on: changes are put into `store`, which is committed once a
 * burst. Store and problems must outlive it. NULL with `err` only when the folder cannot be read or
 * watched at all.
 */
struct manifests *manifests_start(struct event_base *base, const char *folder, struct store *store,
                                  struct problems *problems, struct err *err);

/* Stops following; what is in the store stays there. */
void manifests_stop(struct manifests *manifests);

/* Looks at the whole folder now, as after a change: for whoever does not trust the notices. */
void manifests_reread(struct manifests *manifests);

/* Adds what the files have of kinds that are not read. Their names live until the next change. */
void manifests_skipped(const struct manifests *manifests, struct skipped *skipped);

/* How many files are followed, wrong ones included. */
size_t manifests_files(const struct manifests *manifests);

#endif
