/* Normal words: a text as the words that deduplication compares, each as a 64-bit hash.
 *
 *     "Héllo,  WORLD of 2024 — 你好"        the text
 *     "hello   world of 0000   你 好 "      folded
 *     "hello" "world" "of" "0000" "你" "好"   split: a hash of each
 *
 * Two passes, because each then runs over whole vectors: folding makes every character its folded form or a space
 * (normal_letters.h); splitting takes what stands between spaces. Each has a plain implementation and, for AVX2, one
 * that takes 32 ASCII bytes or 64 folded bytes at a time; both give the same words.
 */
#ifndef QUERN_DEDUP_NORMAL_WORDS_H
#define QUERN_DEDUP_NORMAL_WORDS_H

#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/string.h"

#include <stdbool.h>
#include <stdint.h>

/* Filled by normal_words_split, used again from text to text. Ready when zeroed. */
struct normal_words {
    uint64_t *hashes; /* of each word, in order */
    size_t count, capacity;
    char *folded; /* folded_size bytes, ending in a space; then NORMAL_SLACK bytes of no meaning */
    size_t folded_size, folded_capacity;
};

/* Bytes that may be read and written behind the folded text: vectors run over its end. */
enum { NORMAL_SLACK = 64 };

void normal_words_release(struct normal_words *words);

/* Splits `text` (UTF-8; a broken byte is a gap). Memory: 1.5 bytes for each byte of the text, and 8 for each word;
 * Q_ERR_MEMORY where it is not to be had. */
q_status normal_words_split(struct normal_words *words, q_string text) Q_MUST_USE;

/* The same by the plain implementations alone: what tests compare with. */
q_status normal_words_split_plain(struct normal_words *words, q_string text) Q_MUST_USE;

/* What exact duplicates have in common: XXH3-128 of the words' hashes. A text without any word ("" or "***") is
 * hashed as it is, so that texts of different signs stay apart. */
q_hash normal_text_hash(const struct normal_words *words, q_string text);

#endif
