#include <stdio.h>
#include <string.h>

#include "made_folder.h"

#define DEPTH_MAX 64

struct xml {
    const char *at;
    char open[DEPTH_MAX][32];
    int depth;
};

static bool entity_is_fine(const char *at)
{
    size_t len = strcspn(at + 1, "; <&\n");

    return at[1 + len] == ';' && len > 0 && len < 10;
}

/* Steps over a tag's attributes; false: not of the form name="value". */
static bool skip_attributes(struct xml *xml)
{
    for (;;) {
        xml->at += strspn(xml->at, " \t\r\n");
        if (*xml->at == '>' || *xml->at == '/' || *xml->at == '?') {
            return true;
        }
        size_t name = strcspn(xml->at, "= \t\r\n<>\"'");

        xml->at += name + strspn(xml->at + name, " \t\r\n");
        if (name == 0 || *xml->at != '=') {
            return false;
        }
        const char *value = xml->at + 1 + strspn(xml->at + 1, " \t\r\n");
        const char *end = *value == '"' || *value == '\'' ? strchr(value + 1, *value) : NULL;

        if (!end || memchr(value, '<', (size_t)(end - value))) {
            return false;
        }
        xml->at = end + 1;
    }
}

static bool take_tag(struct xml *xml)
{
    bool closing = xml->at[1] == '/', prolog = xml->at[1] == '?';
    const char *name = xml->at + 1 + (closing || prolog);
    size_t len = strcspn(name, " \t\r\n/>?");

    if (len == 0 || len > 31) {
        return false;
    }
    xml->at = name + len;
    if (!skip_attributes(xml)) {
        return false;
    }
    bool single = *xml->at == '/' || prolog;

    xml->at += single;
    if (*xml->at++ != '>') {
        return false;
    }
    if (closing) {
        return xml->depth > 0 && strlen(xml->open[--xml->depth]) == len &&
               strncmp(xml->open[xml->depth], name, len) == 0;
    }
    if (!single && xml->depth < DEPTH_MAX) {
        (void)snprintf(xml->open[xml->depth++], 32, "%.*s", (int)len, name);
    }
    return true;
}

bool pb_made_is_xml(const char *text)
{
    struct xml xml = { .at = text };

    while (*xml.at) {
        unsigned char byte = (unsigned char)*xml.at;

        if (byte == '<') {
            if (!take_tag(&xml)) {
                return false;
            }
            continue;
        }
        if ((byte < 0x20 && byte != '\n' && byte != '\t' && byte != '\r') ||
            (byte == '&' && !entity_is_fine(xml.at)) || strncmp(xml.at, "]]>", 3) == 0) {
            return false;
        }
        xml.at++;
    }
    return xml.depth == 0;
}
