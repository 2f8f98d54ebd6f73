#include "tests/tokenizer/train_twin.h"

#include "tests/base/cmocka_all.h"
#include "tokenizer/byte_alphabet.h"

#include <string.h>

struct word {
    uint32_t ids[512];
    size_t count;
    uint64_t weight;
};

struct pair {
    uint32_t left, right;
    uint64_t count;
};

static size_t count_pairs(const struct word *words, size_t word_count, const uint32_t *length, uint64_t bound,
                          struct pair *pairs)
{
    size_t count = 0;
    for (size_t w = 0; w < word_count; w++)
        for (size_t i = 0; i + 1 < words[w].count; i++) {
            uint32_t left = words[w].ids[i], right = words[w].ids[i + 1];
            size_t k = 0;
            if (bound && length[left] + length[right] >= bound && length[left] + length[right] > 2)
                continue;
            while (k < count && (pairs[k].left != left || pairs[k].right != right))
                k++;
            if (k == count)
                pairs[count++] = (struct pair){left, right, 0};
            pairs[k].count += words[w].weight;
        }
    return count;
}

static void merge_word(struct word *word, uint32_t left, uint32_t right, uint32_t made)
{
    size_t kept = 0;
    for (size_t i = 0; i < word->count; kept++) {
        bool here = i + 1 < word->count && word->ids[i] == left && word->ids[i + 1] == right;
        word->ids[kept] = here ? made : word->ids[i];
        i += here ? 2 : 1;
    }
    word->count = kept;
}

static size_t read_words(const struct counts *counts, uint32_t first_byte, struct word *words)
{
    uint32_t id_of[256];
    size_t count = 0;
    for (unsigned rank = 0; rank < 256; rank++)
        id_of[byte_alphabet_at(rank)] = first_byte + rank;
    for (size_t i = 0; i < counts->capacity; i++) {
        if (!counts->slots[i].count)
            continue;
        q_string piece = counts_piece(counts, &counts->slots[i]);
        assert_true(piece.size <= 512);
        words[count] = (struct word){.count = piece.size, .weight = counts->slots[i].count};
        for (size_t k = 0; k < piece.size; k++)
            words[count].ids[k] = id_of[(uint8_t)piece.data[k]];
        count++;
    }
    return count;
}

size_t train_twin(const struct counts *counts, const struct bpe_train_options *options, struct vocabulary_merge *out)
{
    enum { PAIRS_MAX = 1 << 16 };
    uint32_t first = (uint32_t)options->special_count, size = first + 256;
    uint64_t least = options->min_frequency ? options->min_frequency : 1;
    struct word *words;
    struct pair *pairs;
    uint32_t *length;
    size_t merges = 0;
    assert_ok(q_alloc(counts->used + 1, sizeof(*words), &words));
    assert_ok(q_alloc(PAIRS_MAX, sizeof(*pairs), &pairs));
    assert_ok(q_alloc(options->vocab_size, sizeof(*length), &length));
    for (uint32_t id = 0; id < size; id++)
        length[id] = 1;
    size_t word_count = read_words(counts, first, words);
    for (; size < options->vocab_size; size++) {
        size_t pair_count = count_pairs(words, word_count, length, options->max_token_length, pairs), best = 0;
        for (size_t k = 1; k < pair_count; k++) {
            const struct pair *a = &pairs[k], *b = &pairs[best];
            bool earlier = a->left != b->left ? a->left < b->left : a->right < b->right;
            if (a->count > b->count || (a->count == b->count && earlier))
                best = k;
        }
        if (pair_count == 0 || pairs[best].count < least)
            break;
        out[merges++] = (struct vocabulary_merge){pairs[best].left, pairs[best].right, size};
        length[size] = length[pairs[best].left] + length[pairs[best].right];
        for (size_t w = 0; w < word_count; w++)
            merge_word(&words[w], pairs[best].left, pairs[best].right, size);
    }
    q_release(words);
    q_release(pairs);
    q_release(length);
    return merges;
}
