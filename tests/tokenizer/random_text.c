#include "tests/tokenizer/random_text.h"

#include "tests/base/cmocka_all.h"

#include <string.h>

void put_code(uint32_t code, struct q_buffer *out)
{
    char bytes[4];
    size_t count = 0;
    if (code < 0x80) {
        bytes[count++] = (char)code;
    } else if (code < 0x800) {
        bytes[count++] = (char)(0xC0 | code >> 6);
    } else if (code < 0x10000) {
        bytes[count++] = (char)(0xE0 | code >> 12);
        bytes[count++] = (char)(0x80 | (code >> 6 & 0x3F));
    } else {
        bytes[count++] = (char)(0xF0 | code >> 18);
        bytes[count++] = (char)(0x80 | (code >> 12 & 0x3F));
        bytes[count++] = (char)(0x80 | (code >> 6 & 0x3F));
    }
    if (code >= 0x80)
        bytes[count++] = (char)(0x80 | (code & 0x3F));
    assert_ok(q_buffer_append(out, bytes, count));
}

/* Characters at the borders of what the patterns name. */
static const uint32_t awkward[] = {
    ' ',    ' ',    '\n',   '\n',   '\r',   '\t',   'a',     'Z',     '0',     '9',     '\'',    '"',      '$',
    '_',    '~',    0x00,   0x0B,   0x7F,   0x85,   0xA0,    0xAD,    0xB2,    0xBD,    0xE9,    0x300,    0x301,
    0x661,  0x1680, 0x180E, 0x2003, 0x200B, 0x2028, 0x2162,  0x3000,  0x3005,  0x3007,  0x303F,  0x3040,   0x3042,
    0x3099, 0x309B, 0x309F, 0x30A0, 0x30A2, 0x30FB, 0x30FC,  0x30FF,  0x3100,  0x4DFF,  0x4E00,  0x6587,   0x9FA5,
    0x9FA6, 0xAC00, 0xE01,  0xE31,  0xFF0C, 0xFFFD, 0x10940, 0x10D40, 0x1F600, 0x20000, 0xE0001, 0x10FFFF,
};

static uint32_t random_code(uint64_t *state)
{
    uint64_t roll = dice_roll(state);
    uint32_t code;
    switch (roll >> 60) {
    case 0:
    case 1:
    case 2:
    case 3:
        return (uint32_t)(roll % 0x80); /* ASCII */
    case 4:
        return (uint32_t)(0x4E00 + roll % 0x300);
    case 5:
        return (uint32_t)(0x3000 + roll % 0x200);
    case 6:
        do
            code = (uint32_t)(dice_roll(state) % 0x110000);
        while (code >= 0xD800 && code < 0xE000);
        return code;
    default:
        return awkward[roll % (sizeof(awkward) / sizeof(awkward[0]))];
    }
}

void random_text(uint64_t *state, unsigned characters, bool broken, struct q_buffer *out)
{
    q_buffer_clear(out);
    for (unsigned i = 0; i < characters; i++) {
        uint32_t code = random_code(state);
        unsigned times = dice_roll(state) % 8 ? 1 : 1 + (unsigned)(dice_roll(state) % 6);
        while (times--) {
            put_code(code, out);
            if (broken && dice_roll(state) % 6 == 0)
                assert_ok(q_buffer_append_byte(out, (char)(0x80 + dice_roll(state) % 0x80)));
        }
    }
    if (broken && out->size)
        out->size -= dice_roll(state) % 2;
}
