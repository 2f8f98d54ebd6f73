/* The public face of the tokenizer: training. quern_tokenizer.h is the manual. */
#include "tokenizer/count/counts.h"
#include "tokenizer/library/quern_tokenizer_private.h"
#include "tokenizer/train/bpe_train.h"
#include "tokenizer/vocabulary/vocabulary.h"

struct quern_tokenizer_trainer {
    struct counts counts;
    struct q_buffer json;
};

enum quern_tokenizer_status quern_tokenizer_trainer_create(const char *pretokenizer,
                                                           struct quern_tokenizer_trainer **out)
{
    struct quern_tokenizer_trainer *trainer;
    if (!out)
        return FACE(q_fail(Q_ERR_USAGE, "the place for the trainer is NULL"));
    const struct pretokenizer *found = pretokenizer ? pretokenizer_named(q_string_of(pretokenizer)) : pretokenizers[0];
    if (!found)
        return FACE(q_fail(Q_ERR_USAGE, "there is no pretokenizer '%s'", pretokenizer));
    q_status status = q_alloc_zero(1, sizeof(*trainer), &trainer);
    if (!status) {
        trainer->counts.pretokenizer = found;
        *out = trainer;
    }
    return FACE(status);
}

void quern_tokenizer_trainer_release(struct quern_tokenizer_trainer *trainer)
{
    if (!trainer)
        return;
    counts_release(&trainer->counts);
    q_buffer_release(&trainer->json);
    q_release(trainer);
}

enum quern_tokenizer_status quern_tokenizer_trainer_add_text(struct quern_tokenizer_trainer *trainer, const char *text,
                                                             size_t size)
{
    if (!trainer || (!text && size))
        return FACE(q_fail(Q_ERR_USAGE, "the trainer or the text is NULL"));
    return FACE(counts_add_text(&trainer->counts, (q_string){text, size}));
}

enum quern_tokenizer_status quern_tokenizer_trainer_add_piece(struct quern_tokenizer_trainer *trainer,
                                                              const char *piece, size_t size, uint64_t count)
{
    if (!trainer || !piece || size == 0 || count == 0)
        return FACE(q_fail(Q_ERR_USAGE, "the trainer is NULL, or the piece is empty or has no count"));
    return FACE(counts_add(&trainer->counts, (q_string){piece, size}, count));
}

/* The caller's wishes as training has them. */
static q_status read_training(const struct quern_tokenizer_training *training, struct bpe_train_options *out)
{
    const size_t first = offsetof(struct quern_tokenizer_training, threads) + sizeof(unsigned);
    struct quern_tokenizer_training given;
    if (!training)
        return q_fail(Q_ERR_USAGE, "the training is NULL");
    Q_TRY(quern_tokenizer_read_struct(training, "struct quern_tokenizer_training", first, sizeof(given), &given));
    if (given.threads > QUERN_TOKENIZER_THREADS_MAX)
        return q_fail(Q_ERR_USAGE, "%u threads were asked for; it is at most %d", given.threads,
                      QUERN_TOKENIZER_THREADS_MAX);
    if (!given.special && given.special_count)
        return q_fail(Q_ERR_USAGE, "the special tokens are NULL, and their number is not 0");
    for (size_t i = 0; i < given.special_count; i++)
        if (!given.special[i])
            return q_fail(Q_ERR_USAGE, "special token %zu is NULL", i);
    *out = (struct bpe_train_options){
        .vocab_size = given.vocab_size,
        .min_frequency = given.min_frequency,
        .max_token_length = given.max_token_length,
        .special = given.special,
        .special_count = given.special_count,
        .threads = given.threads,
    };
    return bpe_train_check(out);
}

enum quern_tokenizer_status quern_tokenizer_trainer_train(struct quern_tokenizer_trainer *trainer,
                                                          const struct quern_tokenizer_training *training,
                                                          struct quern_tokenizer_text *out_json)
{
    struct vocabulary vocabulary = {0};
    struct bpe_train_options options;
    if (!trainer || !out_json)
        return FACE(q_fail(Q_ERR_USAGE, "the trainer or the place for the vocabulary is NULL"));
    q_status status = read_training(training, &options);
    const struct pretokenizer *pretokenizer = trainer->counts.pretokenizer;
    q_buffer_clear(&trainer->json);
    if (!status)
        status = bpe_train(&trainer->counts, &options, &vocabulary);
    if (!status)
        status = vocabulary_write(&vocabulary, &trainer->json);
    if (!status)
        status = q_buffer_terminate(&trainer->json);
    if (!status)
        *out_json = (struct quern_tokenizer_text){trainer->json.data, trainer->json.size};
    vocabulary_release(&vocabulary);
    counts_release(&trainer->counts);
    trainer->counts = (struct counts){.pretokenizer = pretokenizer};
    return FACE(status);
}
