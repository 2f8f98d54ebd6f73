#include "corpus/text/text_lines.h"

#include "base/check.h"

static unsigned first_class(const uint16_t *classes, q_string text, size_t *size)
{
    return corpus_character_class(classes, corpus_character_at((const uint8_t *)text.data, size));
}

unsigned corpus_line_last_class(const uint16_t *classes, q_string line, size_t *size)
{
    const uint8_t *from = (const uint8_t *)line.data;
    return corpus_character_class(classes, corpus_character_before(from, from + line.size, size));
}

q_string corpus_line_strip(const uint16_t *classes, q_string line)
{
    size_t size;
    while (line.size && first_class(classes, line, &size) & CORPUS_SPACE)
        line = q_string_slice(line, size, line.size);
    while (line.size && corpus_line_last_class(classes, line, &size) & CORPUS_SPACE)
        line.size -= size;
    return line;
}

void corpus_line_measure(const uint16_t *classes, q_string line, struct corpus_line_shape *out)
{
    const uint8_t *at = (const uint8_t *)line.data, *end = at + line.size;
    size_t length = 0;
    *out = (struct corpus_line_shape){0};
    while (at < end) {
        size_t size;
        unsigned class = corpus_character_class(classes, corpus_character_at(at, &size));
        bool space = class & CORPUS_SPACE;
        length = space ? 0 : length + 1;
        out->chunks += length == 1;
        out->longest = Q_MAX(out->longest, length);
        out->characters++;
        out->upper += (class & (CORPUS_LETTER | CORPUS_LOWER)) == CORPUS_LETTER;
        out->digits += (class & CORPUS_DIGIT) != 0;
        at += size;
    }
}

static uint8_t lower(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte;
}

static bool stands_at(const uint8_t *at, const char *needle, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (lower(at[i]) != (uint8_t)needle[i])
            return false;
    return true;
}

bool corpus_has_any_case(q_string text, const char *needle)
{
    size_t size = strlen(needle);
    for (size_t at = 0; at + size <= text.size; at++)
        if (stands_at((const uint8_t *)text.data + at, needle, size))
            return true;
    return false;
}

unsigned corpus_phrases_in(q_string text, const struct corpus_phrase *phrases, size_t count)
{
    const uint8_t *bytes = (const uint8_t *)text.data;
    uint8_t anchored[256] = {0}; /* by byte: the phrases that have it at their anchor */
    unsigned found = 0;
    q_check(count <= CORPUS_PHRASES_MAX);
    for (size_t i = 0; i < count; i++) {
        uint8_t anchor = (uint8_t)phrases[i].text[phrases[i].anchor];
        anchored[anchor] |= (uint8_t)(1u << i);
        anchored[anchor >= 'a' && anchor <= 'z' ? anchor - 32 : anchor] |= (uint8_t)(1u << i);
    }
    for (size_t at = 0; at < text.size; at++) {
        unsigned here = anchored[bytes[at]];
        for (; here; here &= here - 1) {
            const struct corpus_phrase *phrase = &phrases[__builtin_ctz(here)];
            size_t size = strlen(phrase->text);
            if (at >= phrase->anchor && at - phrase->anchor + size <= text.size &&
                stands_at(bytes + at - phrase->anchor, phrase->text, size))
                found |= here & -here;
        }
    }
    return found;
}
