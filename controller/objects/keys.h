/*
 * Under which keys an object is found; store.h lists their forms. The same functions write the keys
 * that are looked up, so that both always agree.
 */
#ifndef OUTRIGGER_CONTROLLER_OBJECTS_KEYS_H
#define OUTRIGGER_CONTROLLER_OBJECTS_KEYS_H

#include "common/cidr.h"
#include "controller/objects/object.h"
#include "controller/objects/store.h"

/* Each writes to `key` and returns it; what is too long to be any object's key is cut. */
const char *key_of_kind(char key[STORE_KEY_BYTES], enum object_kind kind);
const char *key_of_namespace(char key[STORE_KEY_BYTES], enum object_kind kind,
                             const char *namespace);
const char *key_of_name(char key[STORE_KEY_BYTES], enum object_kind kind, const char *namespace,
                        const char *name);
const char *key_of_ip(char key[STORE_KEY_BYTES], const struct ip *ip);
const char *key_of_vip(char key[STORE_KEY_BYTES], const struct ip *ip, uint16_t port);
const char *key_of_label(char key[STORE_KEY_BYTES], const char *namespace,
                         const struct label *label);
/* Routes of all kinds that are attached to the Service, and its TrafficSplits. */
const char *key_of_routes(char key[STORE_KEY_BYTES], const char *namespace, const char *service);
const char *key_of_slices(char key[STORE_KEY_BYTES], const char *namespace, const char *service);

/* Calls `each` for all keys of the object until it returns false; then returns false too. */
bool keys_each(const struct object *object, bool (*each)(void *context, const char *key),
               void *context) MUST_USE;

#endif
