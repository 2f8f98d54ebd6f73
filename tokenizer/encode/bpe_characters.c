#include "tokenizer/encode/bpe_characters.h"

#include "base/check.h"

#include <string.h>

void bpe_characters_clear(struct bpe_characters *characters)
{
    memset(characters->numbers, 0xFF, sizeof(characters->numbers));
    memset(characters->torn, 0, sizeof(characters->torn));
}

static bool follows(uint8_t byte)
{
    return (byte & 0xC0) == 0x80;
}

static size_t bytes_by_lead(uint8_t lead)
{
    return lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
}

/* Whether bytes[start, end) is one whole character, as far as lengths tell. */
static bool is_character(const uint8_t *bytes, size_t start, size_t end)
{
    for (size_t i = start + 1; i < end; i++)
        if (!follows(bytes[i]))
            return false;
    return bytes_by_lead(bytes[start]) == end - start;
}

/* Whether the token, which lies across the border before bytes[k], holds both characters there. */
static bool holds_both(const uint8_t *bytes, size_t size, size_t k)
{
    size_t start = k - 1, end = k + 1;
    while (start > 0 && follows(bytes[start]))
        start--;
    while (end < size && follows(bytes[end]))
        end++;
    return is_character(bytes, start, k) && is_character(bytes, k, end);
}

void bpe_characters_add(struct bpe_characters *characters, q_string token, uint32_t number)
{
    const uint8_t *bytes = (const uint8_t *)token.data;
    uint32_t code = token.size > 1 ? bpe_character_code(bytes, token.size) : 0;
    if (code)
        characters->numbers[code] = number;
    for (size_t k = 1; k < token.size; k++)
        if (!follows(bytes[k]) && !holds_both(bytes, token.size, k))
            characters->torn[bytes[k - 1] << 2 | bytes[k] >> 6] |= 1ull << (bytes[k] & 63);
}
