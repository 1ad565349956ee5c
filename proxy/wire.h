/*
 * From a message as it arrived to what the data path reads: the checks that the builders of all
 * resources share. Every failure names the field; callers put the path before it (wire_at).
 */
#ifndef OUTRIGGER_PROXY_WIRE_H
#define OUTRIGGER_PROXY_WIRE_H

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/slice.h"

/* Ceiling for the memory of one unpacked message: repeated empty fields multiply what they weigh.
 */
#define WIRE_MAX_UNPACKED_BYTES (64u << 20)
#define WIRE_MAX_NAME_BYTES     512
#define WIRE_MAX_WEIGHT         1000000u

#define WIRE_MAX_CONNECT_MS   (3600ull * 1000)
#define WIRE_MAX_IDLE_MS      (30ull * 24 * 3600 * 1000)
#define WIRE_MAX_DISCOVERY_MS (60ull * 1000)

/* NULL with `err` when the bytes are no such message. Free it with wire_free(). */
void *wire_unpack(const ProtobufCMessageDescriptor *type, struct slice bytes,
                  struct err *err) MUST_USE;
void wire_free(void *message); /* NULL is fine */

/*
 * A copy of a text that will stand in logs, labels and pages: at most WIRE_MAX_NAME_BYTES of
 * printable ASCII, possibly empty. NULL with `err` naming `field`.
 */
char *wire_text(const char *text, const char *field, struct err *err) MUST_USE;

/*
 * A copy in `arena`, with a NUL behind it, of what is at most `max` bytes; what they are is not
 * looked at. False with `err` naming `field`.
 */
bool wire_copy(struct arena *arena, const char *text, size_t max, struct slice *copy,
               const char *field, struct err *err) MUST_USE;
/* As wire_text(), in `arena`. */
bool wire_name(struct arena *arena, const char *text, const char **copy, const char *field,
               struct err *err) MUST_USE;

/* Whether it is NAMESPACE/NAME, both of them present and no further '/'. */
bool wire_is_namespaced(struct slice name);

/* Puts the path of a message before the field that the error begins with: "ports[3]" + ".port:
 * ...". */
bool wire_at(struct err *err, const char *format, ...) PRINTF_LIKE(2, 3);

bool wire_port(uint32_t port, const char *field, struct err *err) MUST_USE;
bool wire_at_most(uint64_t value, uint64_t max, const char *field, struct err *err) MUST_USE;

#endif
