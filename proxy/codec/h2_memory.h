/*
 * nghttp2's memory, from a worker's slabs: nine allocations a stream become none.
 */
#ifndef OUTRIGGER_PROXY_CODEC_H2_MEMORY_H
#define OUTRIGGER_PROXY_CODEC_H2_MEMORY_H

#include <nghttp2/nghttp2.h>

#include "proxy/codec/slabs.h"

/* `slabs` must outlive every session that was made with it. */
nghttp2_mem h2_memory_of(struct slabs *slabs);

#endif
