#include "shards/shard_format.h"

#include "base/bytes.h"
#include "base/check.h"
#include "base/document.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "ids are copied as they are; a big-endian machine needs a swap in widen and narrow");

static const char MAGIC[8] = "QSHARD\r\n";

enum { HEADER_USED = 112, HEADER_BYTES = 144 }; /* then the source's name */

q_status shard_header_write(const struct shard_header *header, struct q_buffer *out)
{
    char bytes[HEADER_BYTES] = {0};
    q_check(header->source.size <= SHARD_NAME_MAX);
    memcpy(bytes, MAGIC, sizeof MAGIC);
    q_store_u32(bytes + 8, SHARD_VERSION);
    bytes[12] = (char)header->id_bytes;
    bytes[13] = (char)header->split;
    bytes[14] = (char)header->source.size; /* at most SHARD_NAME_MAX: one byte */
    q_store_u32(bytes + 16, header->part);
    q_store_u32(bytes + 20, header->sequence_tokens);
    q_store_u32(bytes + 24, header->frame_ids);
    q_store_u32(bytes + 28, header->vocabulary);
    q_store_u32(bytes + 32, header->begin_id);
    q_store_u32(bytes + 36, header->end_id);
    q_store_u64(bytes + 40, header->tokens);
    q_store_u64(bytes + 48, header->sequences);
    q_store_u64(bytes + 56, header->documents);
    q_store_u64(bytes + 64, header->fim_documents);
    q_store_u64(bytes + 72, header->text_bytes);
    q_store_u64(bytes + 80, header->tokenizer.high);
    q_store_u64(bytes + 88, header->tokenizer.low);
    q_store_u64(bytes + 96, header->input.high);
    q_store_u64(bytes + 104, header->input.low);
    Q_TRY(q_buffer_append(out, bytes, sizeof bytes));
    return q_buffer_append_string(out, header->source);
}

/* Bounds of each field, then the equations between them. */
static q_status check_header(const struct shard_header *header)
{
    const uint32_t T = header->sequence_tokens;
    if (T == 0 || T > SHARD_SEQUENCE_TOKENS_MAX)
        return q_fail(Q_ERR_INPUT, "the header says %u tokens a sequence", T);
    if (header->frame_ids == 0 || header->frame_ids > SHARD_FRAME_IDS_MAX || header->frame_ids % T != 0)
        return q_fail(Q_ERR_INPUT, "the header says %u ids a frame for sequences of %u", header->frame_ids, T);
    if (header->vocabulary == 0 || header->vocabulary > SHARD_VOCABULARY_MAX)
        return q_fail(Q_ERR_INPUT, "the header says a vocabulary of %u", header->vocabulary);
    if (header->id_bytes != (header->vocabulary <= 65536 ? 2 : 4))
        return q_fail(Q_ERR_INPUT, "the header says %u bytes an id for a vocabulary of %u", header->id_bytes,
                      header->vocabulary);
    if (header->begin_id >= header->vocabulary || header->end_id >= header->vocabulary)
        return q_fail(Q_ERR_INPUT, "the header's begin or end token is not in its vocabulary");
    if (header->tokens < 2 || header->tokens > UINT64_C(1) << 48 || header->sequences != (header->tokens - 1) / T)
        return q_fail(Q_ERR_INPUT, "the header says %llu tokens and %llu sequences", (unsigned long long)header->tokens,
                      (unsigned long long)header->sequences);
    if (header->documents == 0 || header->documents > header->tokens / 2 || header->fim_documents > header->documents)
        return q_fail(Q_ERR_INPUT, "the header says %llu documents in %llu tokens",
                      (unsigned long long)header->documents, (unsigned long long)header->tokens);
    if (shard_data_frames(header) > UINT32_MAX - SHARD_FRAMES_AROUND - 1)
        return q_fail(Q_ERR_INPUT, "the header says more frames than a file may have");
    return Q_OK;
}

q_status shard_header_parse(q_string bytes, struct shard_header *out)
{
    const char *at = bytes.data;
    if (bytes.size < HEADER_BYTES || memcmp(at, MAGIC, sizeof MAGIC) != 0)
        return q_fail(Q_ERR_INPUT, "this is not a shard file");
    if (q_load_u32(at + 8) != SHARD_VERSION)
        return q_fail(Q_ERR_INPUT,
                      "the shard has format version %u, this program reads version %d; build the shards again",
                      q_load_u32(at + 8), SHARD_VERSION);
    const size_t source_size = (unsigned char)at[14];
    bool zero = at[15] == 0; /* what this version leaves free */
    for (size_t i = HEADER_USED; i < HEADER_BYTES; i++)
        zero = zero && at[i] == 0;
    if ((at[13] != SHARDS_TRAIN && at[13] != SHARDS_HELDOUT) || bytes.size != HEADER_BYTES + source_size || !zero)
        return q_fail(Q_ERR_INPUT, "the shard's header is damaged");
    *out = (struct shard_header){
        .id_bytes = (uint8_t)at[12],
        .split = at[13] ? SHARDS_HELDOUT : SHARDS_TRAIN,
        .part = q_load_u32(at + 16),
        .sequence_tokens = q_load_u32(at + 20),
        .frame_ids = q_load_u32(at + 24),
        .vocabulary = q_load_u32(at + 28),
        .begin_id = q_load_u32(at + 32),
        .end_id = q_load_u32(at + 36),
        .tokens = q_load_u64(at + 40),
        .sequences = q_load_u64(at + 48),
        .documents = q_load_u64(at + 56),
        .fim_documents = q_load_u64(at + 64),
        .text_bytes = q_load_u64(at + 72),
        .tokenizer = {q_load_u64(at + 80), q_load_u64(at + 88)},
        .input = {q_load_u64(at + 96), q_load_u64(at + 104)},
        .source = {bytes.data + HEADER_BYTES, source_size},
    };
    return check_header(out);
}

q_status shard_varint_write(uint64_t value, struct q_buffer *out)
{
    unsigned char bytes[10];
    size_t count = 0;
    while (value >= 0x80) {
        bytes[count++] = (unsigned char)(value | 0x80);
        value >>= 7;
    }
    bytes[count++] = (unsigned char)value;
    return q_buffer_append(out, bytes, count);
}

q_status shard_varint_read(q_string *rest, uint64_t *out)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 10 && i < rest->size; i++) {
        const unsigned char byte = (unsigned char)rest->data[i];
        if (i == 9 && byte > 1) /* bits 63 and up */
            break;
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte & 0x80)
            continue;
        if (i > 0 && byte == 0) /* a shorter form exists */
            break;
        *rest = q_string_slice(*rest, i + 1, rest->size);
        *out = value;
        return Q_OK;
    }
    return q_fail(Q_ERR_INPUT, "a number in the table is damaged or cut");
}

/* A varint that is at most `max`. */
static q_status read_bounded(q_string *rest, uint64_t max, const char *what, uint64_t *out)
{
    Q_TRY(shard_varint_read(rest, out));
    if (*out > max)
        return q_fail(Q_ERR_INPUT, "%s in the table is %llu, more than %llu", what, (unsigned long long)*out,
                      (unsigned long long)max);
    return Q_OK;
}

static q_status write_string(q_string string, struct q_buffer *out)
{
    Q_TRY(shard_varint_write(string.size, out));
    return q_buffer_append_string(out, string);
}

static q_status read_string(q_string *rest, uint64_t max, const char *what, struct q_arena *arena, q_string *out)
{
    uint64_t size;
    Q_TRY(read_bounded(rest, Q_MIN(max, rest->size), what, &size));
    if (size > rest->size)
        return q_fail(Q_ERR_INPUT, "%s in the table is cut", what);
    Q_TRY(q_arena_string(arena, q_string_slice(*rest, 0, size), out));
    *rest = q_string_slice(*rest, size, rest->size);
    return Q_OK;
}

q_status shard_statistics_write(const struct shard_statistics *statistics, struct q_buffer *out)
{
    Q_TRY(shard_varint_write(statistics->language_count, out));
    for (size_t i = 0; i < statistics->language_count; i++) {
        const struct shard_language *language = &statistics->languages[i];
        Q_TRY(write_string(language->name, out));
        Q_TRY(shard_varint_write(language->documents, out));
        Q_TRY(shard_varint_write(language->tokens, out));
        Q_TRY(shard_varint_write(language->text_bytes, out));
    }
    for (size_t bin = 0; bin < SHARD_LENGTH_BINS; bin++)
        Q_TRY(shard_varint_write(statistics->lengths[bin], out));
    uint64_t distinct = 0;
    for (uint32_t id = 0; id < statistics->vocabulary; id++)
        distinct += statistics->counts[id] > 0;
    Q_TRY(shard_varint_write(distinct, out));
    uint32_t next = 0; /* the lowest id that may follow: ids are written as the gap from it */
    for (uint32_t id = 0; id < statistics->vocabulary; id++) {
        if (statistics->counts[id] == 0)
            continue;
        Q_TRY(shard_varint_write(id - next, out));
        Q_TRY(shard_varint_write(statistics->counts[id], out));
        next = id + 1;
    }
    return Q_OK;
}

static q_status parse_languages(q_string *rest, const struct shard_header *header, struct q_arena *arena,
                                struct shard_statistics *out)
{
    uint64_t count, documents = 0, tokens = 0, text_bytes = 0;
    Q_TRY(read_bounded(rest, Q_MIN(header->documents, rest->size), "the number of languages", &count));
    Q_TRY(q_arena_alloc(arena, count, sizeof(struct shard_language), &out->languages));
    out->language_count = count;
    for (size_t i = 0; i < count; i++) {
        struct shard_language *language = &out->languages[i];
        Q_TRY(read_string(rest, SHARD_NAME_MAX, "a language", arena, &language->name));
        if (i > 0 && q_string_compare(out->languages[i - 1].name, language->name) >= 0)
            return q_fail(Q_ERR_INPUT, "the languages of the statistics are not in order");
        Q_TRY(read_bounded(rest, header->documents - documents, "a language's documents", &language->documents));
        Q_TRY(read_bounded(rest, header->tokens - tokens, "a language's tokens", &language->tokens));
        Q_TRY(read_bounded(rest, header->text_bytes - text_bytes, "a language's bytes", &language->text_bytes));
        documents += language->documents;
        tokens += language->tokens;
        text_bytes += language->text_bytes;
        if (language->documents == 0)
            return q_fail(Q_ERR_INPUT, "a language of the statistics has no document");
    }
    if (documents != header->documents || tokens != header->tokens || text_bytes != header->text_bytes)
        return q_fail(Q_ERR_INPUT,
                      "the languages of the statistics do not add up to the header's documents, tokens and bytes");
    return Q_OK;
}

static q_status parse_counts(q_string *rest, const struct shard_header *header, struct shard_statistics *out)
{
    uint64_t distinct, sum = 0, next = 0;
    Q_TRY(read_bounded(rest, header->vocabulary, "the number of different ids", &distinct));
    for (uint64_t i = 0; i < distinct; i++) {
        uint64_t gap, count;
        if (next >= header->vocabulary)
            return q_fail(Q_ERR_INPUT, "an id of the statistics is not in the vocabulary");
        Q_TRY(read_bounded(rest, header->vocabulary - 1 - next, "an id", &gap));
        Q_TRY(read_bounded(rest, header->tokens - sum, "an id's count", &count));
        if (count == 0)
            return q_fail(Q_ERR_INPUT, "an id of the statistics has no occurrence");
        out->counts[next + gap] = count;
        next += gap + 1;
        sum += count;
    }
    if (sum != header->tokens)
        return q_fail(Q_ERR_INPUT, "the counts of the statistics do not add up to the header's tokens");
    return Q_OK;
}

q_status shard_statistics_parse(q_string bytes, const struct shard_header *header, struct q_arena *arena,
                                struct shard_statistics *out)
{
    *out = (struct shard_statistics){.vocabulary = header->vocabulary};
    Q_TRY(parse_languages(&bytes, header, arena, out));
    uint64_t documents = 0;
    for (size_t bin = 0; bin < SHARD_LENGTH_BINS; bin++) {
        Q_TRY(read_bounded(&bytes, header->documents - documents, "a bin of the lengths", &out->lengths[bin]));
        documents += out->lengths[bin];
    }
    if (documents != header->documents)
        return q_fail(Q_ERR_INPUT, "the lengths of the statistics do not add up to the header's documents");
    Q_TRY(q_arena_alloc(arena, header->vocabulary, sizeof(uint64_t), &out->counts));
    Q_TRY(parse_counts(&bytes, header, out));
    return bytes.size == 0 ? Q_OK : q_fail(Q_ERR_INPUT, "the statistics have %zu bytes too many", bytes.size);
}

q_status shard_documents_write(const struct shard_document *documents, size_t count, struct q_buffer *out)
{
    for (size_t i = 0; i < count; i++) {
        Q_TRY(write_string(documents[i].id, out));
        Q_TRY(shard_varint_write(documents[i].tokens, out));
        Q_TRY(shard_varint_write(documents[i].text_bytes, out));
        Q_TRY(shard_varint_write((uint64_t)documents[i].language << 1 | documents[i].fim, out));
    }
    return Q_OK;
}

/* What the table has seen so far: the sums that must come out at the header's. */
struct document_sums {
    uint64_t tokens, text_bytes, fim;
    q_hash key;
};

static q_status parse_document(q_string *rest, const struct shard_header *header, size_t language_count,
                               struct q_arena *arena, struct document_sums *sums, struct shard_document *out)
{
    uint64_t kind;
    out->first = sums->tokens;
    Q_TRY(read_string(rest, UINT32_MAX, "a document's id", arena, &out->id));
    Q_TRY(read_bounded(rest, header->tokens - sums->tokens, "a document's tokens", &out->tokens));
    Q_TRY(read_bounded(rest, header->text_bytes - sums->text_bytes, "a document's bytes", &out->text_bytes));
    Q_TRY(read_bounded(rest, 2 * (uint64_t)language_count - 1, "a document's language", &kind));
    if (out->tokens < 2)
        return q_fail(Q_ERR_INPUT, "a document has fewer tokens than begin and end");
    out->language = (uint32_t)(kind >> 1);
    out->fim = kind & 1;
    const q_hash key = q_document_key(out->id);
    if (out->first > 0 && q_hash_compare(sums->key, key) >= 0)
        return q_fail(Q_ERR_INPUT, "the documents are not in the order of their keys");
    sums->key = key;
    sums->tokens += out->tokens;
    sums->text_bytes += out->text_bytes;
    sums->fim += out->fim;
    return Q_OK;
}

q_status shard_documents_parse(q_string bytes, const struct shard_header *header, size_t language_count,
                               struct q_arena *arena, struct shard_document **out)
{
    enum { DOCUMENT_BYTES_MIN = 4 };
    if (language_count == 0 || header->documents > bytes.size / DOCUMENT_BYTES_MIN)
        return q_fail(Q_ERR_INPUT, "the document table is too short for %llu documents",
                      (unsigned long long)header->documents);
    struct shard_document *documents;
    Q_TRY(q_arena_alloc(arena, header->documents, sizeof *documents, &documents));
    struct document_sums sums = {0};
    for (uint64_t i = 0; i < header->documents; i++)
        Q_TRY(parse_document(&bytes, header, language_count, arena, &sums, &documents[i]));
    if (bytes.size != 0 || sums.tokens != header->tokens || sums.text_bytes != header->text_bytes ||
        sums.fim != header->fim_documents)
        return q_fail(Q_ERR_INPUT, "the document table does not add up to the header's tokens and bytes");
    *out = documents;
    return Q_OK;
}

uint32_t shard_ids_widen(const void *stored, size_t count, unsigned id_bytes, uint32_t *ids)
{
    uint32_t largest = 0;
    if (id_bytes == 2) {
        const char *from = stored;
        for (size_t i = 0; i < count; i++) {
            uint16_t id;
            memcpy(&id, from + 2 * i, 2);
            ids[i] = id;
            largest = Q_MAX(largest, id);
        }
    } else {
        memcpy(ids, stored, count * 4);
        for (size_t i = 0; i < count; i++)
            largest = Q_MAX(largest, ids[i]);
    }
    return largest;
}

void shard_ids_narrow(const uint32_t *ids, size_t count, unsigned id_bytes, void *stored)
{
    char *to = stored;
    if (id_bytes == 4) {
        memcpy(to, ids, count * 4);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const uint16_t id = (uint16_t)ids[i];
        memcpy(to + 2 * i, &id, 2);
    }
}
