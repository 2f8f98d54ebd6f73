/* quern-shards cat, order, trace: sequences, the order they are seen in, and the documents they are made of. */
#include "shards/cmd_shards.h"

#include "base/check.h"
#include "base/json.h"
#include "base/recipe.h"
#include "shards/mixture.h"
#include "shards/shards_read.h"
#include "tokenizer/tokenizer.h"

#include <stdio.h>

/* A folder's split or one file, read by sequence. */
struct view {
    struct shards *shards;
    struct shards_cursor *cursor;
    struct shard_file *file; /* instead of both */
    uint32_t sequence_tokens;
    uint64_t sequences;
    uint32_t *ids; /* [sequence_tokens + 1] */
};

static void view_release(struct view *view)
{
    shards_cursor_release(view->cursor);
    shards_close(view->shards);
    shard_file_close(view->file);
    q_release(view->ids);
}

static q_status view_open(struct view *view, const char *path, enum shards_split split)
{
    if (q_fs_is_directory(path)) {
        Q_TRY(shards_open(path, split, &view->shards));
        Q_TRY(shards_cursor_create(view->shards, &view->cursor));
        view->sequence_tokens = view->shards->sequence_tokens;
        view->sequences = view->shards->sequences;
    } else {
        Q_TRY(shard_file_open(path, &view->file));
        view->sequence_tokens = view->file->header.sequence_tokens;
        view->sequences = view->file->header.sequences;
    }
    return q_alloc((size_t)view->sequence_tokens + 1, sizeof *view->ids, &view->ids);
}

static q_status view_read(struct view *view, uint64_t sequence)
{
    return view->file ? shard_file_sequence(view->file, sequence, view->ids)
                      : shards_read(view->cursor, sequence, view->ids);
}

static q_string view_source(const struct view *view, uint64_t sequence)
{
    struct shards_place place;
    if (view->file)
        return view->file->header.source;
    shards_find(view->shards, sequence, &place);
    return q_string_of(view->shards->sources[place.source].name);
}

/* The sequences that the options name: [from, to). */
static q_status chosen(const struct shards_show_options *options, uint64_t sequences, uint64_t *from, uint64_t *to)
{
    *from = 0;
    if (options->sequence)
        Q_TRY(q_context(q_parse_u64(q_string_of(options->sequence), from), "option '--sequence'"));
    if (options->sequence && *from >= sequences)
        return q_fail(Q_ERR_USAGE, "there is no sequence %llu; the last one is %lld", (unsigned long long)*from,
                      (long long)sequences - 1);
    const uint64_t count = options->count ? options->count : options->sequence ? 1 : sequences;
    *to = *from + Q_MIN(count, sequences - *from);
    return Q_OK;
}

static q_status cat_json(const struct view *view, uint64_t sequence, const struct q_buffer *text, struct q_buffer *out)
{
    struct q_json json = q_json_begin(out);
    q_json_open(&json, NULL, '{');
    q_json_put_u64(&json, "sequence", sequence);
    q_json_put_string(&json, "source", view_source(view, sequence));
    if (text) {
        q_json_put_string(&json, "text", q_buffer_string(text));
    } else {
        q_json_open(&json, "ids", '[');
        for (uint32_t i = 0; i <= view->sequence_tokens; i++)
            q_json_put_u64(&json, NULL, view->ids[i]);
        q_json_close(&json, ']');
    }
    q_json_close(&json, '}');
    q_json_newline(&json);
    return q_json_end(&json);
}

static q_status cat_ids(const struct view *view, struct q_buffer *out)
{
    for (uint32_t i = 0; i <= view->sequence_tokens; i++)
        Q_TRY(q_buffer_printf(out, i ? " %u" : "%u", view->ids[i]));
    return q_buffer_append_byte(out, '\n');
}

static q_status cat_sequence(struct view *view, uint64_t sequence, const struct tokenizer *tokenizer, bool as_json,
                             struct q_buffer *out)
{
    struct q_buffer text = {0};
    Q_TRY(view_read(view, sequence));
    q_buffer_clear(out);
    q_status status = Q_OK;
    if (tokenizer)
        status = tokenizer_decode(tokenizer, view->ids, (size_t)view->sequence_tokens + 1, &text);
    if (!status && as_json)
        status = cat_json(view, sequence, tokenizer ? &text : NULL, out);
    else if (!status && tokenizer && !(status = q_buffer_append_string(out, q_buffer_string(&text))))
        status = q_buffer_append_byte(out, '\n');
    else if (!status)
        status = cat_ids(view, out);
    q_buffer_release(&text);
    return status;
}

static q_status cat_all(struct view *view, const struct shards_show_options *options, const struct tokenizer *tokenizer)
{
    struct q_buffer line = {0};
    uint64_t from, to;
    Q_TRY(chosen(options, view->sequences, &from, &to));
    q_status status = Q_OK;
    for (uint64_t sequence = from; sequence < to && !status && !ferror(stdout); sequence++) {
        status = cat_sequence(view, sequence, tokenizer, options->common.json, &line);
        if (!status)
            (void)fwrite(line.data, 1, line.size, stdout);
    }
    q_buffer_release(&line);
    return status;
}

q_status cmd_shards_cat(void *opaque, const char *const *arguments, size_t count)
{
    const struct shards_show_options *options = opaque;
    struct view view = {0};
    struct tokenizer *tokenizer = NULL;
    enum shards_split split;
    (void)count;
    Q_TRY(cmd_shards_split(options->split, &split));
    if (options->text && !options->tokenizer)
        return q_fail(Q_ERR_USAGE, "--text needs the tokenizer; give it with -t");
    q_status status = view_open(&view, arguments[0], split);
    if (!status && options->text)
        status = cmd_shards_tokenizer(options->tokenizer,
                                      view.file ? view.file->header.tokenizer : view.shards->tokenizer, &tokenizer);
    if (!status)
        status = cat_all(&view, options, tokenizer);
    tokenizer_release(tokenizer);
    view_release(&view);
    return status;
}

/* A recipe's mixture over the train split of a folder. */
struct ordered {
    struct q_recipe recipe;
    struct shards *shards;
    struct mixture *mixture;
};

static q_status ordered_open(struct ordered *ordered, const struct q_common *common, const char *folder)
{
    Q_TRY(q_recipe_load(common->recipe, &common->set, &ordered->recipe));
    Q_TRY(shards_open(folder, SHARDS_TRAIN, &ordered->shards));
    return mixture_from_recipe(ordered->shards, &ordered->recipe, &ordered->mixture);
}

static void ordered_release(struct ordered *ordered)
{
    mixture_release(ordered->mixture);
    shards_close(ordered->shards);
    q_recipe_release(&ordered->recipe);
}

static void print_sample(const struct ordered *ordered, uint64_t position, const struct mixture_sample *sample,
                         bool as_json)
{
    const char *source = ordered->shards->sources[sample->source].name; /* [a-z0-9._-]: no quoting */
    printf(
        as_json ? "{\"position\":%llu,\"sequence\":%llu,\"source\":\"%s\",\"epoch\":%llu}\n" : "%llu\t%llu\t%s\t%llu\n",
        (unsigned long long)position, (unsigned long long)sample->sequence, source, (unsigned long long)sample->epoch);
}

q_status cmd_shards_order(void *opaque, const char *const *arguments, size_t count)
{
    const struct shards_show_options *options = opaque;
    struct ordered ordered = {0};
    (void)count;
    q_status status = ordered_open(&ordered, &options->common, arguments[0]);
    for (uint64_t i = 0; i < Q_MAX(options->count, 1) && !status && !ferror(stdout); i++) {
        struct mixture_sample sample;
        status = mixture_at(ordered.mixture, options->position + i, &sample);
        if (!status)
            print_sample(&ordered, options->position + i, &sample, options->common.json);
    }
    ordered_release(&ordered);
    return status;
}

/* The documents of one file, kept while sequences of the same file follow. */
struct traced_file {
    struct shard_file *file;
    struct q_arena arena;
    struct shard_statistics statistics;
    struct shard_document *documents;
};

static void traced_release(struct traced_file *traced)
{
    shard_file_close(traced->file);
    q_arena_release(&traced->arena);
    *traced = (struct traced_file){0};
}

static q_status traced_load(struct traced_file *traced, const char *path)
{
    if (traced->file && strcmp(traced->file->path, path) == 0)
        return Q_OK;
    traced_release(traced);
    Q_TRY(shard_file_open(path, &traced->file));
    Q_TRY(shard_file_statistics(traced->file, &traced->arena, &traced->statistics));
    return shard_file_documents(traced->file, traced->statistics.language_count, &traced->arena, &traced->documents);
}

/* The document that holds a place of the stream: the last one that begins at or before it. */
static uint64_t document_at(const struct traced_file *traced, uint64_t place)
{
    uint64_t low = 0, high = traced->file->header.documents;
    while (high - low > 1) {
        const uint64_t middle = low + (high - low) / 2;
        if (traced->documents[middle].first <= place)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static q_status append_trace(const char *position, uint64_t sequence, uint64_t from, uint64_t tokens, q_string language,
                             q_string id, bool as_json, struct q_buffer *out)
{
    if (!as_json)
        return q_buffer_printf(out, "%s\t%llu\t%llu\t%llu\t%.*s\t%.*s\n", position, (unsigned long long)sequence,
                               (unsigned long long)from, (unsigned long long)tokens, Q_STRING_ARGS(language),
                               Q_STRING_ARGS(id));
    struct q_json json = q_json_begin(out);
    q_json_open(&json, NULL, '{');
    if (strcmp(position, "-") != 0)
        q_json_put_raw(&json, "position", q_string_of(position));
    q_json_put_u64(&json, "sequence", sequence);
    q_json_put_u64(&json, "from", from);
    q_json_put_u64(&json, "tokens", tokens);
    q_json_put_string(&json, "language", language);
    q_json_put_string(&json, "document", id);
    q_json_close(&json, '}');
    q_json_newline(&json);
    return q_json_end(&json);
}

/* The T + 1 ids of a sequence, document by document. */
static q_status trace_sequence(struct traced_file *traced, const struct shards *shards, uint64_t sequence,
                               const char *position, bool as_json)
{
    struct shards_place place;
    struct q_buffer out = {0};
    shards_find(shards, sequence, &place);
    Q_TRY(traced_load(traced, place.path));
    const uint64_t first = place.sequence * shards->sequence_tokens, end = first + shards->sequence_tokens + 1;
    q_status status = Q_OK;
    for (uint64_t d = document_at(traced, first);
         d < traced->file->header.documents && traced->documents[d].first < end && !status; d++) {
        const struct shard_document *document = &traced->documents[d];
        const uint64_t from = Q_MAX(document->first, first), to = Q_MIN(document->first + document->tokens, end);
        status = append_trace(position, sequence, from - first, to - from,
                              traced->statistics.languages[document->language].name, document->id, as_json, &out);
    }
    if (!status)
        (void)fwrite(out.data, 1, out.size, stdout);
    q_buffer_release(&out);
    return status;
}

static q_status trace_positions(const struct shards_show_options *options, const char *folder,
                                struct traced_file *traced)
{
    struct ordered ordered = {0};
    q_status status = ordered_open(&ordered, &options->common, folder);
    for (uint64_t i = 0; i < Q_MAX(options->count, 1) && !status && !ferror(stdout); i++) {
        struct mixture_sample sample;
        char position[32];
        (void)snprintf(position, sizeof position, "%llu", (unsigned long long)(options->position + i));
        status = mixture_at(ordered.mixture, options->position + i, &sample);
        if (!status)
            status = trace_sequence(traced, ordered.shards, sample.sequence, position, options->common.json);
    }
    ordered_release(&ordered);
    return status;
}

static q_status trace_sequences(const struct shards_show_options *options, const char *folder,
                                struct traced_file *traced)
{
    struct shards *shards;
    enum shards_split split;
    uint64_t from, to;
    Q_TRY(cmd_shards_split(options->split, &split));
    Q_TRY(shards_open(folder, split, &shards));
    q_status status = chosen(options, shards->sequences, &from, &to);
    for (uint64_t sequence = from; !status && sequence < to && !ferror(stdout); sequence++)
        status = trace_sequence(traced, shards, sequence, "-", options->common.json);
    shards_close(shards);
    return status;
}

q_status cmd_shards_trace(void *opaque, const char *const *arguments, size_t count)
{
    const struct shards_show_options *options = opaque;
    struct traced_file traced = {0};
    (void)count;
    if (options->split && !options->sequence)
        return q_fail(Q_ERR_USAGE, "positions are of the train split; --split goes with --sequence");
    const q_status status = options->sequence ? trace_sequences(options, arguments[0], &traced)
                                              : trace_positions(options, arguments[0], &traced);
    traced_release(&traced);
    return status;
}
