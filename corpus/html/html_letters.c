#include "corpus/html/html_letters.h"

#include "base/bytes16.h"
#include "base/check.h"

enum { BLOCKS_MAX = 127 }; /* a lane counts at most 2 a block, so that so many fit its byte */

static uint32_t sum(q_bytes16 lanes)
{
    uint32_t total = 0;
    for (unsigned i = 0; i < sizeof lanes; i++)
        total += lanes[i];
    return total;
}

static void count_byte(q_string text, size_t i, struct html_letters *count)
{
    unsigned char c = (unsigned char)text.data[i];
    unsigned char second = i + 1 < text.size ? (unsigned char)text.data[i + 1] : 0;
    unsigned char third = i + 2 < text.size ? (unsigned char)text.data[i + 2] : 0;
    count->letters += (c & 0xC0) != 0x80;
    count->letters += c >= 0xE3 && c < 0xEE;
    count->commas += c == ',' || (c == 0xD8 && second == 0x8C) ||
                     (c == 0xE3 && second == 0x80 && (third == 0x81 || third == 0x82)) ||
                     (c == 0xEF && second == 0xBC && third == 0x8C);
}

struct html_letters html_letters_plain(q_string text)
{
    struct html_letters count = {0};
    for (size_t i = 0; i < text.size; i++)
        count_byte(text, i, &count);
    return count;
}

/* Whole blocks from *at on, while two bytes more can be read behind each. A comparison gives 0xFF, so that subtracting it counts. */
static void count_blocks(q_string text, size_t *at, struct html_letters *count)
{
    q_bytes16 letters = {0}, commas = {0};
    for (unsigned n = 0; n < BLOCKS_MAX && *at + sizeof(q_bytes16) + 2 <= text.size; n++, *at += sizeof(q_bytes16)) {
        q_bytes16 c = q_bytes16_load(text.data + *at), second = q_bytes16_load(text.data + *at + 1),
                  third = q_bytes16_load(text.data + *at + 2);
        letters -= (q_bytes16)((c & 0xC0) != 0x80);
        letters -= Q_IN16(c, 0xE3, 0xED);
        commas -= Q_IS16(c, ',');
        commas -= Q_IS16(c, 0xD8) & Q_IS16(second, 0x8C);
        commas -= Q_IS16(c, 0xE3) & Q_IS16(second, 0x80) & Q_IN16(third, 0x81, 0x82);
        commas -= Q_IS16(c, 0xEF) & Q_IS16(second, 0xBC) & Q_IS16(third, 0x8C);
    }
    count->letters += sum(letters);
    count->commas += sum(commas);
}

struct html_letters html_letters(q_string text)
{
    struct html_letters count = {0};
    size_t at = 0;
    while (at + sizeof(q_bytes16) + 2 <= text.size)
        count_blocks(text, &at, &count);
    for (; at < text.size; at++)
        count_byte(text, at, &count);
    return count;
}
