/*
 * The pages. page_NAME() is in page_NAME.c and answers the request, now or later; `context` is the
 * struct admin_sources.
 */
#ifndef OUTRIGGER_PROXY_ADMIN_PAGES_H
#define OUTRIGGER_PROXY_ADMIN_PAGES_H

#include "common/admin_http.h"

void page_index(struct admin_request *request, void *context);
void page_livez(struct admin_request *request, void *context);
void page_readyz(struct admin_request *request, void *context);
void page_metrics(struct admin_request *request, void *context);
void page_config(struct admin_request *request, void *context);
void page_services(struct admin_request *request, void *context);
void page_endpoints(struct admin_request *request, void *context);
void page_connections(struct admin_request *request, void *context);
void page_certificates(struct admin_request *request, void *context);
void page_policies(struct admin_request *request, void *context);
void page_memory(struct admin_request *request, void *context);
void page_explain(struct admin_request *request, void *context);
void page_tap(struct admin_request *request, void *context);
void page_app_probe(struct admin_request *request, void *context);
void page_drain(struct admin_request *request, void *context);
void page_quit(struct admin_request *request, void *context);

/* The table of all pages, in the order of `/`. */
extern const struct admin_page admin_pages[];
extern const size_t admin_n_pages;

#endif
