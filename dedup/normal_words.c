#include "dedup/normal_words.h"

#include "base/bytes.h"
#include "base/check.h"
#include "dedup/normal_letters.h"
#include "dedup/processor.h"

#if QUERN_X86_64
#include <immintrin.h>
#endif

void normal_words_release(struct normal_words *words)
{
    q_release(words->hashes);
    q_release(words->folded);
    *words = (struct normal_words){0};
}

/* --- folding ------------------------------------------------------------------------------------------------------ */

static inline bool is_tail(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

/* Decodes one character of several bytes and returns how many; 0, and code 0, where it is broken (too long a form, a
 * surrogate, cut off). */
static inline size_t decode(const unsigned char *p, const unsigned char *end, uint32_t *code)
{
    size_t left = (size_t)(end - p);
    if (p[0] >= 0xc2 && p[0] < 0xe0 && left >= 2 && is_tail(p[1])) {
        *code = (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu);
        return 2;
    }
    if (p[0] >= 0xe0 && p[0] < 0xf0 && left >= 3 && is_tail(p[1]) && is_tail(p[2])) {
        uint32_t value = (p[0] & 0xfu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
        bool good = value >= 0x800 && (value < 0xd800 || value > 0xdfff);
        *code = good ? value : 0;
        return good ? 3 : 0;
    }
    if (p[0] >= 0xf0 && p[0] < 0xf5 && left >= 4 && is_tail(p[1]) && is_tail(p[2]) && is_tail(p[3])) {
        uint32_t value = (p[0] & 7u) << 18 | (p[1] & 0x3fu) << 12 | (p[2] & 0x3fu) << 6 | (p[3] & 0x3fu);
        bool good = value >= 0x10000 && value <= 0x10ffff;
        *code = good ? value : 0;
        return good ? 4 : 0;
    }
    *code = 0;
    return 0;
}

static inline char *encode(char *out, uint32_t code)
{
    if (code < 0x80) {
        *out++ = (char)code;
        return out;
    }
    if (code < 0x800) {
        *out++ = (char)(0xc0 | code >> 6);
    } else {
        if (code < 0x10000) {
            *out++ = (char)(0xe0 | code >> 12);
        } else {
            *out++ = (char)(0xf0 | code >> 18);
            *out++ = (char)(0x80 | (code >> 12 & 0x3f));
        }
        *out++ = (char)(0x80 | (code >> 6 & 0x3f));
    }
    *out++ = (char)(0x80 | (code & 0x3f));
    return out;
}

/* One character of several bytes from p, folded, to out; both move. */
static inline const unsigned char *fold_wide(const uint32_t *plane, const unsigned char *p, const unsigned char *end,
                                             char **out)
{
    uint32_t code = 0;
    size_t size = decode(p, end, &code);
    uint32_t letter = size == 4 ? normal_letter(code) : plane[code]; /* a broken one: code 0, a gap */
    char *o = *out;
    switch (normal_kind_of(letter)) {
    case NORMAL_GAP:
        *o++ = ' ';
        break;
    case NORMAL_LETTER:
        o = encode(o, letter >> 8);
        break;
    case NORMAL_SINGLE:
        *o = ' ';
        o += o[-1] != ' ';
        o = encode(o, letter >> 8);
        *o++ = ' ';
        break;
    case NORMAL_NOTHING:
        break;
    }
    *out = o;
    return p + (size ? size : 1);
}

/* Folds characters until p reaches `until` (a character that begins before it is taken whole). (*out)[-1] is
 * readable. */
static const unsigned char *fold_plain(const uint32_t *plane, const unsigned char *p, const unsigned char *until,
                                       const unsigned char *end, char **out)
{
    char *o = *out;
    while (p < until) {
        if (*p < 0x80) {
            unsigned char folded = normal_ascii[*p++];
            *o++ = folded ? (char)folded : ' ';
        } else {
            p = fold_wide(plane, p, end, &o);
        }
    }
    *out = o;
    return p;
}

#if QUERN_X86_64
/* Folds blocks of 32 ASCII bytes while there are such; returns where it stopped. */
__attribute__((target("avx2"))) static const unsigned char *fold_ascii_avx2(const unsigned char *p,
                                                                            const unsigned char *end, char **out)
{
    const __m256i space = _mm256_set1_epi8(' '), zero = _mm256_set1_epi8('0'), a = _mm256_set1_epi8('a');
    const __m256i letters = _mm256_set1_epi8(25), digits = _mm256_set1_epi8(9);
    for (; end - p >= 32; p += 32, *out += 32) {
        __m256i bytes = _mm256_loadu_si256((const __m256i *)p);
        if (_mm256_movemask_epi8(bytes))
            break;
        __m256i small = _mm256_or_si256(bytes, space); /* 0x20 is what parts 'A' from 'a' */
        __m256i from_a = _mm256_sub_epi8(small, a), from_zero = _mm256_sub_epi8(bytes, zero);
        __m256i is_letter = _mm256_cmpeq_epi8(_mm256_min_epu8(from_a, letters), from_a); /* from_a <= 25, unsigned */
        __m256i is_digit = _mm256_cmpeq_epi8(_mm256_min_epu8(from_zero, digits), from_zero);
        __m256i folded = _mm256_blendv_epi8(_mm256_blendv_epi8(space, zero, is_digit), small, is_letter);
        _mm256_storeu_si256((__m256i *)*out, folded);
    }
    return p;
}
#endif

/* Writes the folded text, with a space before it that is not part of it and one behind it that is. */
static q_status fold(struct normal_words *words, q_string text, bool vectors)
{
    /* The longest outcome is half as long again: a letter of two bytes whose small form has three, or a letter
     * before a single. */
    size_t needed = text.size;
    if (!q_add_size(needed, text.size / 2 + 2 + NORMAL_SLACK, &needed))
        return q_fail(Q_ERR_MEMORY, "a text of %zu bytes is too long to fold", text.size);
    Q_TRY(q_grow(&words->folded, &words->folded_capacity, needed, 1));
    const uint32_t *plane = normal_plane();
    words->folded[0] = ' ';
    char *out = words->folded + 1;
    const unsigned char *p = (const unsigned char *)text.data, *end = p + text.size;
    while (p < end) {
        const unsigned char *until = end;
#if QUERN_X86_64
        if (vectors) {
            p = fold_ascii_avx2(p, end, &out);
            until = end - p > 32 ? p + 32 : end;
        }
#else
        (void)vectors;
#endif
        p = fold_plain(plane, p, until, end, &out);
    }
    *out++ = ' ';
    words->folded_size = (size_t)(out - words->folded);
    q_check(words->folded_size + NORMAL_SLACK <= words->folded_capacity);
    return Q_OK;
}

/* --- splitting ---------------------------------------------------------------------------------------------------- */

/* Digits of pi and e: constants without a reason of their own. */
static const uint64_t key_low = 0x243f6a8885a308d3, key_high = 0xb7e151628aed2a6b;

/* Both halves of the 128-bit product: every bit of the factors reaches every bit of the result (as in wyhash). */
static inline uint64_t fold_product(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* A word's hash takes it 16 bytes at a time, the last piece filled up with zeros. No folded text has a zero byte, so
 * words of different lengths differ. */
static inline uint64_t hash_step(uint64_t hash, uint64_t low, uint64_t high)
{
    return fold_product(low ^ key_low ^ hash, high ^ key_high);
}

static uint64_t hash_plain(const char *word, size_t size)
{
    uint64_t hash = 0;
    do {
        unsigned char piece[16] = {0};
        size_t count = size < 16 ? size : 16;
        memcpy(piece, word, count);
        hash = hash_step(hash, q_load_u64(piece), q_load_u64(piece + 8));
        word += count, size -= count;
    } while (size);
    return hash;
}

static q_status split_plain(struct normal_words *words)
{
    const char *start = words->folded, *end = start + words->folded_size;
    for (const char *p = start; p < end; p++) {
        if (*p != ' ')
            continue;
        if (p > start) {
            Q_TRY(q_grow(&words->hashes, &words->capacity, words->count + 1, sizeof(*words->hashes)));
            words->hashes[words->count++] = hash_plain(start, (size_t)(p - start));
        }
        start = p + 1;
    }
    return Q_OK;
}

#if QUERN_X86_64
__attribute__((target("avx2"))) static inline uint64_t hash_avx2(const char *word, size_t size)
{
    /* keep + 16 - n begins with n bytes of ones. */
    static const unsigned char keep[32] = {255, 255, 255, 255, 255, 255, 255, 255,
                                           255, 255, 255, 255, 255, 255, 255, 255};
    uint64_t hash = 0;
    for (; size > 16; word += 16, size -= 16)
        hash = hash_step(hash, q_load_u64(word), q_load_u64(word + 8));
    __m128i piece =
        _mm_and_si128(_mm_loadu_si128((const __m128i *)word), _mm_loadu_si128((const __m128i *)(keep + 16 - size)));
    return hash_step(hash, (uint64_t)_mm_cvtsi128_si64(piece), (uint64_t)_mm_extract_epi64(piece, 1));
}

/* The spaces among 64 bytes, as bits. */
__attribute__((target("avx2"))) static inline uint64_t spaces_avx2(const char *p)
{
    const __m256i space = _mm256_set1_epi8(' ');
    uint32_t low = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)p), space));
    uint32_t high =
        (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)(p + 32)), space));
    return low | (uint64_t)high << 32;
}

__attribute__((target("avx2,bmi"))) static q_status split_avx2(struct normal_words *words)
{
    const char *base = words->folded, *start = base;
    uint64_t after_space = 1; /* whether the byte before this block is a space */
    for (size_t at = 0; at < words->folded_size; at += 64) {
        Q_TRY(q_grow(&words->hashes, &words->capacity, words->count + 32, sizeof(*words->hashes)));
        uint64_t spaces = spaces_avx2(base + at);
        if (words->folded_size - at < 64)
            spaces |= ~(uint64_t)0 << (words->folded_size - at);
        uint64_t behind = spaces << 1 | after_space;
        uint64_t starts = ~spaces & behind, ends = spaces & ~behind;
        after_space = spaces >> 63;
        uint64_t *hashes = words->hashes + words->count;
        for (; ends; ends &= ends - 1) {
            const char *end = base + at + __builtin_ctzll(ends);
            /* A word that began in an earlier block has no start in this one before its end. */
            if (starts && base + at + __builtin_ctzll(starts) < end) {
                start = base + at + __builtin_ctzll(starts);
                starts &= starts - 1;
            }
            *hashes++ = hash_avx2(start, (size_t)(end - start));
        }
        words->count = (size_t)(hashes - words->hashes);
        if (starts)
            start = base + at + __builtin_ctzll(starts);
    }
    return Q_OK;
}
#endif

q_status normal_words_split_plain(struct normal_words *words, q_string text)
{
    words->count = 0;
    Q_TRY(fold(words, text, false));
    return split_plain(words);
}

q_status normal_words_split(struct normal_words *words, q_string text)
{
#if QUERN_X86_64
    if (processor_has_avx2()) {
        words->count = 0;
        Q_TRY(fold(words, text, true));
        return split_avx2(words);
    }
#endif
    return normal_words_split_plain(words, text);
}

q_hash normal_text_hash(const struct normal_words *words, q_string text)
{
    if (words->count == 0)
        return q_hash_string(text);
    return q_hash_bytes(words->hashes, words->count * sizeof(*words->hashes));
}
