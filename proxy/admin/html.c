#include "proxy/admin/html.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/text.h"

#define CELL_MAX_BYTES 1024

void html_init(struct html *html, size_t max_bytes)
{
    buf_init(&html->text, max_bytes);
    html->is_whole = true;
}

void html_fini(struct html *html)
{
    buf_fini(&html->text);
}

void html_raw(struct html *html, const char *markup)
{
    html->is_whole = html->is_whole && buf_append(&html->text, markup, strlen(markup));
}

static void html_escaped(struct html *html, const char *text)
{
    html->is_whole = html->is_whole && text_html(&html->text, text);
}

void html_title(struct html *html, const char *name, bool is_good, const char *state)
{
    html_raw(html, "<h1>");
    html_escaped(html, name);
    html_raw(html, is_good ? " <span class=\"good\">" : " <span class=\"bad\">");
    html_escaped(html, state);
    html_raw(html, "</span></h1>");
}

void html_heading(struct html *html, const char *text, const char *link)
{
    html_raw(html, "<h2>");
    if (link) {
        html_raw(html, "<a href=\"");
        html_escaped(html, link);
        html_raw(html, "\">");
    }
    html_escaped(html, text);
    html_raw(html, link ? "</a></h2>" : "</h2>");
}

void html_table(struct html *html, const char *columns)
{
    html_raw(html, "<table>");
    if (!columns)
        return;
    html_raw(html, "<tr>");
    for (const char *end = columns; *columns; columns = *end ? end + 1 : end) {
        char name[64];
        end = strchrnul(columns, '|');
        snprintf(name, sizeof(name), "%.*s", (int)(end - columns), columns);
        html_raw(html, "<th>");
        html_escaped(html, name);
        html_raw(html, "</th>");
    }
    html_raw(html, "</tr>");
}

void html_table_end(struct html *html)
{
    html_raw(html, "</table>");
}

static void html_value(struct html *html, const char *format, va_list args)
{
    char text[CELL_MAX_BYTES];
    vsnprintf(text, sizeof(text), format, args);
    html_raw(html, "<td>");
    html_escaped(html, text);
    html_raw(html, "</td>");
}

void html_row(struct html *html, const char *name, const char *format, ...)
{
    va_list args;
    html_raw(html, "<tr><th>");
    html_escaped(html, name);
    html_raw(html, "</th>");
    va_start(args, format);
    html_value(html, format, args);
    va_end(args);
    html_raw(html, "</tr>");
}

void html_link_row(struct html *html, const char *path, const char *note, const char *text)
{
    html_raw(html, "<tr><th><a href=\"");
    html_escaped(html, path);
    html_raw(html, "\">");
    html_escaped(html, path);
    html_raw(html, "</a></th><td>");
    html_escaped(html, note);
    html_raw(html, "</td><td>");
    html_escaped(html, text);
    html_raw(html, "</td></tr>");
}

void html_cells_start(struct html *html)
{
    html_raw(html, "<tr>");
}

void html_cell(struct html *html, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    html_value(html, format, args);
    va_end(args);
}

void html_cells_end(struct html *html)
{
    html_raw(html, "</tr>");
}
