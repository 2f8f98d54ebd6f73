#include "shards/shards_fim.h"

#include "base/random.h"

enum { DRAW_WHETHER, DRAW_ONE_CUT, DRAW_OTHER_CUT };

/* Back to the first byte of the character that holds the place; a text without such bytes is cut where it was. */
static size_t character_start(q_string text, size_t place)
{
    size_t start = place;
    while (start > 0 && start < text.size && place - start < 4 && ((unsigned char)text.data[start] & 0xc0) == 0x80)
        start--;
    return place - start < 4 ? start : place;
}

bool fim_draw(uint64_t seed, double rate, q_hash key, q_string text, struct fim_cuts *cuts)
{
    const q_random_key draws = q_random_key_of(seed, "shards fim", key.high, key.low);
    if (q_random_unit(draws, DRAW_WHETHER) >= rate)
        return false;
    const size_t one = character_start(text, q_random_below(draws, DRAW_ONE_CUT, text.size + 1));
    const size_t other = character_start(text, q_random_below(draws, DRAW_OTHER_CUT, text.size + 1));
    *cuts = one < other ? (struct fim_cuts){one, other} : (struct fim_cuts){other, one};
    return true;
}
