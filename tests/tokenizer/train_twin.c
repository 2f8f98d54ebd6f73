#include "tests/tokenizer/train_twin.h"

#include "tests/base/cmocka_all.h"
#include "tokenizer/vocabulary/byte_alphabet.h"

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

/* The tokens by their bytes; special ones are in no word and need none here. */
struct twin_token {
    uint8_t bytes[512];
    uint32_t length;
};

static size_t count_pairs(const struct word *words, size_t word_count, const struct twin_token *tokens, uint64_t bound,
                          struct pair *pairs)
{
    size_t count = 0;
    for (size_t w = 0; w < word_count; w++)
        for (size_t i = 0; i + 1 < words[w].count; i++) {
            uint32_t left = words[w].ids[i], right = words[w].ids[i + 1];
            size_t k = 0;
            uint32_t length = tokens[left].length + tokens[right].length;
            if (bound && length >= bound && length > 2)
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

static size_t read_words(const struct counts *counts, const uint32_t *id_of, struct word *words)
{
    size_t count = 0;
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

static uint32_t token_of(struct twin_token *tokens, uint32_t *size, uint32_t left, uint32_t right)
{
    struct twin_token *made = &tokens[*size];
    *made = tokens[left];
    memcpy(made->bytes + made->length, tokens[right].bytes, tokens[right].length);
    made->length += tokens[right].length;
    for (uint32_t id = 0; id < *size; id++)
        if (tokens[id].length == made->length && memcmp(tokens[id].bytes, made->bytes, made->length) == 0)
            return id;
    return (*size)++;
}

/* The tokens of the vocabulary that is extended, and its merges done on the words; or the 256 bytes. */
static uint32_t begin(const struct bpe_train_options *options, const struct counts *counts, struct twin_token *tokens,
                      struct word *words, size_t *word_count)
{
    uint32_t id_of[256], first = (uint32_t)options->special_count;
    const struct vocabulary *base = options->base;
    for (unsigned rank = 0; rank < 256; rank++) {
        uint8_t byte = byte_alphabet_at(rank);
        id_of[byte] = base ? base->byte_id[byte] : first + rank;
        tokens[id_of[byte]] = (struct twin_token){{byte}, 1};
    }
    *word_count = read_words(counts, id_of, words);
    for (size_t m = 0; base && m < base->merge_count; m++) {
        const struct vocabulary_merge *merge = &base->merges[m];
        uint32_t size = merge->id;
        assert_int_equal(token_of(tokens, &size, merge->left, merge->right), merge->id);
        for (size_t w = 0; w < *word_count; w++)
            merge_word(&words[w], merge->left, merge->right, merge->id);
    }
    return base ? base->size : first + 256;
}

size_t train_twin(const struct counts *counts, const struct bpe_train_options *options, struct vocabulary_merge *out)
{
    enum { PAIRS_MAX = 1 << 16 };
    uint64_t least = options->min_frequency ? options->min_frequency : 1;
    struct word *words;
    struct pair *pairs;
    struct twin_token *tokens;
    size_t merges = 0, word_count;
    assert_ok(q_alloc(counts->used + 1, sizeof(*words), &words));
    assert_ok(q_alloc(PAIRS_MAX, sizeof(*pairs), &pairs));
    assert_ok(q_alloc_zero(options->vocab_size + 1, sizeof(*tokens), &tokens));
    uint32_t size = begin(options, counts, tokens, words, &word_count);
    while (size < options->vocab_size) {
        size_t pair_count = count_pairs(words, word_count, tokens, options->max_token_length, pairs), best = 0;
        for (size_t k = 1; k < pair_count; k++) {
            const struct pair *a = &pairs[k], *b = &pairs[best];
            bool earlier = a->left != b->left ? a->left < b->left : a->right < b->right;
            if (a->count > b->count || (a->count == b->count && earlier))
                best = k;
        }
        if (pair_count == 0 || pairs[best].count < least)
            break;
        uint32_t made = token_of(tokens, &size, pairs[best].left, pairs[best].right);
        out[merges++] = (struct vocabulary_merge){pairs[best].left, pairs[best].right, made};
        for (size_t w = 0; w < word_count; w++)
            merge_word(&words[w], pairs[best].left, pairs[best].right, made);
    }
    q_release(words);
    q_release(pairs);
    q_release(tokens);
    return merges;
}

/* Words of few letters, so that equal counts are common. */
void train_twin_corpus(uint64_t *dice, struct counts *counts)
{
    static const char *const letters[] = {"ab", "abc", "a", "abcdefgh", "a\xC3\xA9", "ab\xE4\xB8\x80"};
    const char *alphabet = letters[dice_roll(dice) % 6];
    size_t words = 1 + dice_roll(dice) % 40, longest = 1 + dice_roll(dice) % 40;
    struct q_buffer text = {0};
    for (size_t w = 0; w < words; w++) {
        if (w)
            assert_ok(q_buffer_append_byte(&text, ' '));
        for (size_t k = 1 + dice_roll(dice) % longest; k > 0; k--)
            assert_ok(q_buffer_append_byte(&text, alphabet[dice_roll(dice) % strlen(alphabet)]));
    }
    assert_ok(counts_add_text(counts, q_buffer_string(&text)));
    q_buffer_release(&text);
}

void train_twin_tune(uint64_t *dice, struct bpe_train_options *options)
{
    options->threads = 1 + (unsigned)(dice_roll(dice) % 3);
    options->tuning = (struct bpe_train_tuning){
        .chunk = dice_roll(dice) % 2 ? 0 : 64 + dice_roll(dice) % 64,
        .shared_bytes = dice_roll(dice) % 2 ? 0 : 1 + dice_roll(dice) % 64,
        .floor_share = dice_roll(dice) % 2 ? 0 : 1,
        .budget = dice_roll(dice) % 2 ? 0 : 8192 << dice_roll(dice) % 6,
    };
}
