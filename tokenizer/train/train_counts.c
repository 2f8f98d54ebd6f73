#include "tokenizer/train/train_counts.h"

#include "base/progress.h"

/* What training takes besides its words. */
#define BESIDES_BYTES (24ull << 20)

/* All but the accounting and the figures, which are wanted when the source is long gone. */
static void release(void *context)
{
    struct train_counts *counts = context;
    count_stream_close(counts->stream);
    counter_release(counts->counter);
    work_folder_close(&counts->folder);
    q_pool_release(counts->pool);
    counts->stream = NULL;
    counts->counter = NULL;
    counts->pool = NULL;
}

void train_counts_close(struct train_counts *counts)
{
    release(counts);
    q_accounting_release(&counts->accounting);
    *counts = (struct train_counts){0};
}

/* Training lays its words out while the counts are still there. Where there is no room for both, they go to disk. */
static q_status make_way(struct train_counts *counts, uint64_t memory)
{
    const uint64_t words = counter_table_bytes(counts->counter) / 2 + BESIDES_BYTES;
    if (memory == 0 || q_memory_resident_bytes() + words <= memory)
        return Q_OK;
    return counter_spill(counts->counter);
}

static q_status count_given(struct train_counts *counts, const struct train_counts_options *options)
{
    struct count_texts_options counting = options->counting;
    counting.folder = &counts->folder;
    q_progress_start("count", "bytes", text_source_bytes(options->texts));
    q_status status = count_texts(options->texts, counts->pool, &counting, &counts->accounting, &counts->counter);
    q_progress_finish();
    if (!status)
        status = make_way(counts, options->counting.memory);
    if (!status)
        status = counter_stream(counts->counter, options->files, options->file_count, &counts->stream);
    return status;
}

static q_status open_files(struct train_counts *counts, const struct train_counts_options *options)
{
    struct count_stream_options merging = {.work = &counts->folder, .pool = counts->pool};
    Q_TRY(count_memory_of_merge(options->counting.memory, options->threads, &merging.memory));
    return count_stream_open(options->files, options->file_count, &merging, &counts->stream);
}

q_status train_counts_open(struct train_counts *counts, const struct train_counts_options *options)
{
    const char *name = options->counting.pretokenizer->name;
    Q_TRY(work_folder_open(&counts->folder, options->beside));
    Q_TRY(q_pool_create(options->threads, &counts->pool));
    Q_TRY(options->texts ? count_given(counts, options) : open_files(counts, options));
    counts->info = *count_stream_info(counts->stream);
    if (counts->info.entries && strcmp(counts->info.pretokenizer, name) != 0)
        return q_fail(Q_ERR_INPUT, "'%s' counts pieces of pretokenizer '%s', not of '%s'",
                      options->file_count ? options->files[0] : "", counts->info.pretokenizer, name);
    counts->from_stream = (struct bpe_stream_source){.stream = counts->stream, .release = release, .context = counts};
    bpe_stream_source_init(&counts->from_stream, &counts->source);
    return Q_OK;
}
