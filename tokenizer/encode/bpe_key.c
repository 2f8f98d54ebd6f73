#include "tokenizer/encode/bpe_key.h"

#include <string.h>

#define LOW(size) ((size) >= 8 ? UINT64_MAX : (1ull << 8 * ((size)&7)) - 1)
#define HIGH(size) ((size) <= 8 ? 0 : (1ull << 8 * ((size)&7)) - 1)
#define PAIR(size)                                                                                                     \
    {                                                                                                                  \
        LOW(size), HIGH(size)                                                                                          \
    }

const uint64_t bpe_key_masks[BPE_KEY_BYTES + 1][2] = {
    PAIR(0), PAIR(1), PAIR(2),  PAIR(3),  PAIR(4),  PAIR(5),  PAIR(6),  PAIR(7),
    PAIR(8), PAIR(9), PAIR(10), PAIR(11), PAIR(12), PAIR(13), PAIR(14), PAIR(15),
};

struct bpe_key bpe_key_load_end(const uint8_t *at, size_t readable)
{
    uint8_t bytes[16] = {0};
    memcpy(bytes, at, readable < 16 ? readable : 16);
    return (struct bpe_key){q_load_u64(bytes), q_load_u64(bytes + 8)};
}
