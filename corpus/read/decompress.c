#include "corpus/read/decompress.h"

#include "base/check.h"

#include <isa-l/igzip_lib.h>
#include <zstd.h>
#ifdef QUERN_BROTLI
#include <brotli/decode.h>
#endif

enum { STEP_BYTES_MAX = 1 << 30 }; /* ISA-L counts in 32 bits */

struct corpus_decompressor {
    enum corpus_coding coding;
    struct inflate_state inflate;
    ZSTD_DCtx *zstd; /* NULL: not used so far */
#ifdef QUERN_BROTLI
    BrotliDecoderState *brotli;
#endif
};

q_status corpus_decompressor_create(struct corpus_decompressor **out)
{
    struct corpus_decompressor *d;
    Q_TRY(q_alloc(1, sizeof *d, &d)); /* 90 KB that nobody has to clear: most files are small */
    d->coding = CORPUS_PLAIN;
    d->zstd = NULL;
#ifdef QUERN_BROTLI
    d->brotli = NULL;
#endif
    *out = d;
    return Q_OK;
}

void corpus_decompressor_release(struct corpus_decompressor *d)
{
    if (!d)
        return;
    ZSTD_freeDCtx(d->zstd);
#ifdef QUERN_BROTLI
    if (d->brotli)
        BrotliDecoderDestroyInstance(d->brotli);
#endif
    q_release(d);
}

bool corpus_decompressor_knows(enum corpus_coding coding)
{
#ifndef QUERN_BROTLI
    if (coding == CORPUS_BROTLI)
        return false;
#endif
    return coding != CORPUS_PLAIN;
}

static q_status begin_zstd(struct corpus_decompressor *d)
{
    if (!d->zstd)
        d->zstd = ZSTD_createDCtx();
    if (!d->zstd)
        return q_fail(Q_ERR_MEMORY, "no memory for a zstd decoder");
    ZSTD_DCtx_reset(d->zstd, ZSTD_reset_session_only);
    return Q_OK;
}

static q_status begin_brotli(struct corpus_decompressor *d)
{
#ifdef QUERN_BROTLI
    if (d->brotli)
        BrotliDecoderDestroyInstance(d->brotli);
    d->brotli = BrotliDecoderCreateInstance(NULL, NULL, NULL);
    return d->brotli ? Q_OK : q_fail(Q_ERR_MEMORY, "no memory for a brotli decoder");
#else
    (void)d;
    q_check(false);
    return Q_OK;
#endif
}

q_status corpus_decompressor_begin(struct corpus_decompressor *d, enum corpus_coding coding)
{
    d->coding = coding;
    switch (coding) {
    case CORPUS_ZSTD:
        return begin_zstd(d);
    case CORPUS_BROTLI:
        return begin_brotli(d);
    default:
        isal_inflate_init(&d->inflate);
        d->inflate.crc_flag = coding == CORPUS_GZIP ? ISAL_GZIP : coding == CORPUS_ZLIB ? ISAL_ZLIB : ISAL_DEFLATE;
        return Q_OK;
    }
}

/* Damage and want of memory are one error to zstd (memory_allocation): a file's bytes must not end the build, so it is taken for damage. */
q_status corpus_decompressor_dictionary(struct corpus_decompressor *d, q_string dictionary, bool *good)
{
    Q_TRY(begin_zstd(d));
    *good = !ZSTD_isError(ZSTD_DCtx_loadDictionary(d->zstd, dictionary.data, dictionary.size));
    return Q_OK;
}

static enum corpus_unpacked step_inflate(struct corpus_decompressor *d, q_string *in, struct q_buffer *out)
{
    struct inflate_state *s = &d->inflate;
    size_t room = Q_MIN(out->capacity - out->size, (size_t)STEP_BYTES_MAX),
           given = Q_MIN(in->size, (size_t)STEP_BYTES_MAX);
    s->next_in = (uint8_t *)(uintptr_t)in->data;
    s->avail_in = (uint32_t)given;
    s->next_out = (uint8_t *)out->data + out->size;
    s->avail_out = (uint32_t)room;
    int result = isal_inflate(s);
    *in = q_string_slice(*in, given - s->avail_in, in->size);
    out->size += room - s->avail_out;
    if (result != ISAL_DECOMP_OK)
        return CORPUS_UNPACKED_BAD;
    return s->block_state == ISAL_BLOCK_FINISH ? CORPUS_UNPACKED_END : CORPUS_UNPACKED_MORE;
}

static enum corpus_unpacked step_zstd(struct corpus_decompressor *d, q_string *in, struct q_buffer *out)
{
    ZSTD_inBuffer from = {in->data, in->size, 0};
    ZSTD_outBuffer to = {out->data, out->capacity, out->size};
    size_t left = ZSTD_decompressStream(d->zstd, &to, &from);
    *in = q_string_slice(*in, from.pos, in->size);
    out->size = to.pos;
    if (ZSTD_isError(left))
        return CORPUS_UNPACKED_BAD;
    return left == 0 ? CORPUS_UNPACKED_END : CORPUS_UNPACKED_MORE;
}

static enum corpus_unpacked step_brotli(struct corpus_decompressor *d, q_string *in, struct q_buffer *out)
{
#ifdef QUERN_BROTLI
    const uint8_t *from = (const uint8_t *)in->data;
    uint8_t *to = (uint8_t *)out->data + out->size;
    size_t left = in->size, room = out->capacity - out->size;
    BrotliDecoderResult result = BrotliDecoderDecompressStream(d->brotli, &left, &from, &room, &to, NULL);
    *in = q_string_slice(*in, in->size - left, in->size);
    out->size = out->capacity - room;
    return result == BROTLI_DECODER_RESULT_ERROR     ? CORPUS_UNPACKED_BAD
           : result == BROTLI_DECODER_RESULT_SUCCESS ? CORPUS_UNPACKED_END
                                                     : CORPUS_UNPACKED_MORE;
#else
    (void)d, (void)in, (void)out;
    return CORPUS_UNPACKED_BAD;
#endif
}

enum corpus_unpacked corpus_decompressor_step(struct corpus_decompressor *d, q_string *in, struct q_buffer *out)
{
    return d->coding == CORPUS_ZSTD     ? step_zstd(d, in, out)
           : d->coding == CORPUS_BROTLI ? step_brotli(d, in, out)
                                        : step_inflate(d, in, out);
}
