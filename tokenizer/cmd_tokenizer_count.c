/* quern-tokenizer count, merge-counts and counts. */
#include "tokenizer/cmd_tokenizer.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/progress.h"
#include "base/seekable.h"
#include "base/threads.h"
#include "tokenizer/count/count_pairs.h"
#include "tokenizer/count/count_texts.h"

#include <stdio.h>

#define AT(member) offsetof(struct count_options, member)

#define MEMORY_ROW                                                                                                     \
    {                                                                                                                  \
        "memory", 0, Q_OPTION_BYTES, AT(memory), "BYTES",                                                              \
            "what the process takes at most; half of the machine's where not given"                                    \
    }

const struct q_option count_table[] = {
    {"format", 0, Q_OPTION_TEXT, AT(format), "FORMAT", "auto (by name), text or jsonl"},
    {"pretokenizer", 0, Q_OPTION_TEXT, AT(pretokenizer), "NAME", "the setting tokenizer.pretokenizer"},
    MEMORY_ROW,
    {"weight", 0, Q_OPTION_TEXTS, AT(weights), "RULE",
     "lang:en=0.5 or source:wiki=3: how much documents count, * for all others; 0 leaves them out"},
    {"sample-documents", 0, Q_OPTION_DOUBLE, AT(sample), "SHARE", "count this share of the documents, by their ids"},
    {"seed", 0, Q_OPTION_U64, AT(seed), "N", "of the sample"},
    {"from-pairs", 0, Q_OPTION_FLAG, AT(from_pairs), NULL, "the input is pieces with their counts"},
    {"fractions", 0, Q_OPTION_FLAG, AT(fractions), NULL, "counts of pairs may have fractions; kept to 1/1024"},
    {0},
};

const struct q_option merge_counts_table[] = {MEMORY_ROW, {0}};

/* What a count needs besides its input. */
struct count_run {
    const struct count_options *options;
    struct count_weights weights;
    struct work_folder folder;
    struct q_pool *pool;
    struct count_texts_options counting;
    struct q_accounting accounting;
    struct counter *counter;
};

static q_status find_pretokenizer(const char *name, const struct pretokenizer **out)
{
    *out = name ? pretokenizer_named(q_string_of(name)) : pretokenizers[0];
    if (*out)
        return Q_OK;
    return q_fail(Q_ERR_USAGE,
                  "'--pretokenizer' is '%s', which is not built in; see tokenizer.pretokenizer in "
                  "docs/settings/tokenizer.md",
                  name);
}

static q_status check_options(const struct count_options *options)
{
    if (!options->common.out)
        return q_fail(Q_ERR_USAGE, "where to? give -o FILE");
    if (options->from_pairs && (options->format || options->weights.count || options->sample != 0))
        return q_fail(Q_ERR_USAGE, "--format, --weight and --sample-documents are for texts, not for --from-pairs");
    if (options->fractions && !options->from_pairs)
        return q_fail(Q_ERR_USAGE, "--fractions is for --from-pairs");
    if (options->sample < 0 || options->sample > 1)
        return q_fail(Q_ERR_USAGE, "'--sample-documents' must be a share from 0 to 1");
    return q_publish_check(options->common.out);
}

static q_status open_run(struct count_run *run)
{
    const struct count_options *options = run->options;
    run->counting = (struct count_texts_options){.weights = &run->weights,
                                                 .sample = options->sample != 0 ? options->sample : 1,
                                                 .sample_seed = options->seed,
                                                 .memory = options->memory,
                                                 .folder = &run->folder};
    Q_TRY(check_options(options));
    Q_TRY(find_pretokenizer(options->pretokenizer, &run->counting.pretokenizer));
    Q_TRY(count_weights_add(&run->weights, &options->weights));
    Q_TRY(count_memory_check(options->memory, (unsigned)options->common.threads));
    Q_TRY(q_pool_create((unsigned)options->common.threads, &run->pool));
    return work_folder_open(&run->folder, options->common.out);
}

static void close_run(struct count_run *run)
{
    counter_release(run->counter);
    work_folder_close(&run->folder);
    q_pool_release(run->pool);
    count_weights_release(&run->weights);
    q_accounting_release(&run->accounting);
}

static q_status count_given(struct count_run *run, const char *const *paths, size_t count)
{
    struct text_source *source;
    if (run->options->from_pairs)
        return count_pairs(paths, count, run->options->fractions, &run->counting, run->pool, &run->counter);
    Q_TRY(open_texts(paths, count, run->options->format, &source));
    q_progress_start("count", "bytes", text_source_bytes(source));
    q_status status = count_texts(source, run->pool, &run->counting, &run->accounting, &run->counter);
    q_progress_finish();
    text_source_close(source);
    return status;
}

q_status cmd_count(void *given, const char *const *arguments, size_t count)
{
    struct count_run run = {.options = given};
    struct count_info info;
    const double start = q_seconds();
    q_status status = open_run(&run);
    if (!status)
        status = count_given(&run, arguments, count);
    if (!status)
        status = counter_write(run.counter, run.options->common.out, &info, NULL);
    if (!status && run.options->from_pairs)
        fprintf(stderr, "tokenizer count: %llu distinct pieces\n", (unsigned long long)info.entries);
    else if (!status)
        q_accounting_print(&run.accounting, "tokenizer count", q_seconds() - start);
    close_run(&run);
    return status;
}

static q_status next_entry(void *context, struct count_entry *out)
{
    return count_stream_next(context, out);
}

static q_status write_merged(struct count_stream *stream, struct q_pool *pool, const char *path)
{
    const struct count_source source = {stream, next_entry};
    struct count_info info = *count_stream_info(stream);
    Q_TRY(counts_file_write(path, Q_SEEKABLE_LEVEL, &source, pool, &info, NULL));
    fprintf(stderr, "tokenizer merge-counts: %llu distinct pieces of %llu documents\n",
            (unsigned long long)info.entries, (unsigned long long)info.total.documents);
    return Q_OK;
}

static q_status merge_files(const struct count_options *options, struct work_folder *folder, struct q_pool *pool,
                            const char *const *paths, size_t count)
{
    struct count_stream_options merging = {.work = folder, .pool = pool};
    struct count_stream *stream;
    Q_TRY(count_memory_of_merge(options->memory, q_pool_threads(pool), &merging.memory));
    Q_TRY(count_stream_open(paths, count, &merging, &stream));
    q_status status = write_merged(stream, pool, options->common.out);
    count_stream_close(stream);
    return status;
}

q_status cmd_merge_counts(void *given, const char *const *arguments, size_t count)
{
    const struct count_options *options = given;
    struct work_folder folder = {0};
    struct q_pool *pool;
    if (!options->common.out)
        return q_fail(Q_ERR_USAGE, "where to? give -o FILE");
    Q_TRY(q_publish_check(options->common.out));
    q_memory_return_blocks();
    Q_TRY(q_pool_create((unsigned)options->common.threads, &pool));
    q_status status = work_folder_open(&folder, options->common.out);
    if (!status)
        status = merge_files(options, &folder, pool, arguments, count);
    work_folder_close(&folder);
    q_pool_release(pool);
    return status;
}

q_status cmd_counts(void *given, const char *const *arguments, size_t count)
{
    const struct count_stream_options all = {0};
    struct count_stream *stream;
    struct count_entry entry;
    struct q_buffer line = {0};
    (void)given;
    Q_TRY(count_stream_open(arguments, count, &all, &stream));
    const uint32_t scale = count_stream_info(stream)->scale;
    q_status status;
    while (!(status = count_stream_next(stream, &entry)) && entry.piece.data) {
        q_buffer_clear(&line);
        if ((status = count_pair_write(&entry, scale, &line)))
            break;
        fwrite(line.data, 1, line.size, stdout);
    }
    q_buffer_release(&line);
    count_stream_close(stream);
    return status;
}
