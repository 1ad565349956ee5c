/* The rules as text that `nft -f` takes, with the effect of nft_apply(). Pure. */
#ifndef OUTRIGGER_INIT_RENDER_H
#define OUTRIGGER_INIT_RENDER_H

#include <stdio.h>

#include "init/rules.h"

/* Replaces the table. Errors of `out` are the caller's to look for. */
void render_apply(const struct rules *rules, FILE *out);

/* Removes the table, whether it exists or not. */
void render_delete(FILE *out);

#endif
