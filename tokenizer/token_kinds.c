#include "tokenizer/token_kinds.h"

#include "base/check.h"
#include "base/json.h"
#include "tokenizer/unicode/unicode_classes.h"
#include "tokenizer/unicode/utf8_decode.h"

/* By ranges of whole blocks (Blocks.txt of Unicode 16): enough to say which scripts a vocabulary is spent on. Rising. */
static const struct {
    uint32_t first, last;
    const char *name;
} scripts[] = {
    {0x0041, 0x024F, "Latin"},    {0x0250, 0x02FF, "Latin"},     {0x0370, 0x03FF, "Greek"},
    {0x0400, 0x052F, "Cyrillic"}, {0x0530, 0x058F, "Armenian"},  {0x0590, 0x05FF, "Hebrew"},
    {0x0600, 0x077F, "Arabic"},   {0x08A0, 0x08FF, "Arabic"},    {0x0900, 0x097F, "Devanagari"},
    {0x0980, 0x09FF, "Bengali"},  {0x0A00, 0x0A7F, "Gurmukhi"},  {0x0A80, 0x0AFF, "Gujarati"},
    {0x0B00, 0x0B7F, "Oriya"},    {0x0B80, 0x0BFF, "Tamil"},     {0x0C00, 0x0C7F, "Telugu"},
    {0x0C80, 0x0CFF, "Kannada"},  {0x0D00, 0x0D7F, "Malayalam"}, {0x0D80, 0x0DFF, "Sinhala"},
    {0x0E00, 0x0E7F, "Thai"},     {0x0E80, 0x0EFF, "Lao"},       {0x0F00, 0x0FFF, "Tibetan"},
    {0x1000, 0x109F, "Myanmar"},  {0x10A0, 0x10FF, "Georgian"},  {0x1100, 0x11FF, "Hangul"},
    {0x1200, 0x139F, "Ethiopic"}, {0x1780, 0x17FF, "Khmer"},     {0x1E00, 0x1EFF, "Latin"},
    {0x1F00, 0x1FFF, "Greek"},    {0x3040, 0x30FF, "Kana"},      {0x3130, 0x318F, "Hangul"},
    {0x31F0, 0x31FF, "Kana"},     {0x3400, 0x4DBF, "Han"},       {0x4E00, 0x9FFF, "Han"},
    {0xAC00, 0xD7FF, "Hangul"},   {0xF900, 0xFAFF, "Han"},       {0xFB50, 0xFDFF, "Arabic"},
    {0xFE70, 0xFEFF, "Arabic"},   {0xFF21, 0xFF5A, "Latin"},     {0xFF66, 0xFF9F, "Kana"},
    {0x20000, 0x3FFFF, "Han"},
};

static const char *script_of(uint32_t code)
{
    for (size_t i = 0; i < Q_COUNT_OF(scripts) && scripts[i].first <= code; i++)
        if (code <= scripts[i].last)
            return scripts[i].name;
    return "other letters";
}

const char *token_kind(q_string token)
{
    const uint8_t *at = (const uint8_t *)token.data, *end = at + token.size;
    unsigned classes = 0;
    if (!q_utf8_valid(token))
        return "part of a character";
    while (at < end) {
        struct utf8_code decoded = utf8_decode(at, end);
        unsigned class = unicode_class(decoded.code);
        if (class & (UNICODE_LETTER | UNICODE_MARK))
            return script_of(decoded.code);
        classes |= class;
        at += decoded.bytes;
    }
    if (classes & UNICODE_NUMBER)
        return "digits";
    if (classes & (UNICODE_PUNCTUATION | UNICODE_SYMBOL))
        return "punctuation";
    return classes & UNICODE_SPACE ? "white space" : "controls";
}
