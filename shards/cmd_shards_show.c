/* quern-shards info, stats, verify: what shards say of themselves, and whether it is so. */
#include "shards/cmd_shards.h"

#include "base/check.h"
#include "base/json.h"
#include "base/manifest.h"
#include "shards/shards_survey.h"

#include <stdio.h>

/* A figure of a split under the name that it has in manifest.json too. */
struct figure {
    const char *name;
    uint64_t value;
};
enum { SPLIT_FIGURES = 9 };

static void split_figures(const struct survey_split *split, struct figure out[SPLIT_FIGURES])
{
    const struct figure figures[SPLIT_FIGURES] = {
        {"files", split->files},           {"documents", split->documents}, {"fim_documents", split->fim_documents},
        {"tokens", split->tokens},         {"sequences", split->sequences}, {"tail_tokens", split->tail_tokens},
        {"text_bytes", split->text_bytes}, {"frames", split->data_frames},  {"stored_bytes", split->stored_bytes},
    };
    memcpy(out, figures, sizeof figures);
}

static q_status flush_json(struct q_json *json, struct q_buffer *text)
{
    q_json_newline(json);
    const q_status status = q_json_end(json);
    if (!status)
        (void)fwrite(text->data, 1, text->size, stdout);
    q_buffer_release(text);
    return status;
}

static q_status print_info_json(const struct survey *survey)
{
    struct q_buffer text = {0};
    struct q_json json = q_json_begin(&text);
    char hash[Q_HASH_HEX];
    q_json_open(&json, NULL, '{');
    q_json_put_u64(&json, "sequence_tokens", survey->sequence_tokens);
    q_json_put_u64(&json, "frame_ids", survey->frame_ids);
    q_json_put_u64(&json, "vocabulary", survey->vocabulary);
    q_json_put_u64(&json, "id_bytes", survey->id_bytes);
    q_json_put_string(&json, "tokenizer", q_string_of(q_hash_hex(survey->tokenizer, hash)));
    for (int split = 0; split < 2; split++) {
        struct figure figures[SPLIT_FIGURES];
        split_figures(&survey->splits[split], figures);
        q_json_open(&json, shards_split_names[split], '{');
        for (size_t i = 0; i < SPLIT_FIGURES; i++)
            q_json_put_u64(&json, figures[i].name, figures[i].value);
        q_json_close(&json, '}');
    }
    q_json_close(&json, '}');
    return flush_json(&json, &text);
}

static void print_info_text(const struct survey *survey)
{
    char hash[Q_HASH_HEX];
    struct figure figures[2][SPLIT_FIGURES];
    printf("sequence_tokens  %u\nframe_ids        %u\nvocabulary       %u\nid_bytes         %u\ntokenizer        "
           "%s\n\n%-15s  %15s  %15s\n",
           survey->sequence_tokens, survey->frame_ids, survey->vocabulary, survey->id_bytes,
           q_hash_hex(survey->tokenizer, hash), "", "train", "heldout");
    split_figures(&survey->splits[SHARDS_TRAIN], figures[0]);
    split_figures(&survey->splits[SHARDS_HELDOUT], figures[1]);
    for (size_t i = 0; i < SPLIT_FIGURES; i++)
        printf("%-15s  %15llu  %15llu\n", figures[0][i].name, (unsigned long long)figures[0][i].value,
               (unsigned long long)figures[1][i].value);
}

q_status cmd_shards_info(void *opaque, const char *const *arguments, size_t count)
{
    const struct q_common *common = opaque;
    struct survey survey = {0};
    (void)count;
    q_status status = survey_path(&survey, arguments[0]);
    if (!status && common->json)
        status = print_info_json(&survey);
    else if (!status)
        print_info_text(&survey);
    survey_release(&survey);
    return status;
}

static q_status print_stats_json(const struct survey *survey)
{
    struct q_buffer text = {0};
    struct q_json json = q_json_begin(&text);
    q_json_open(&json, NULL, '{');
    q_json_open(&json, "rows", '[');
    for (size_t i = 0; i < survey->row_count; i++) {
        const struct survey_row *row = &survey->rows[i];
        q_json_open(&json, NULL, '{');
        q_json_put_string(&json, "split", q_string_of(shards_split_names[row->split]));
        q_json_put_string(&json, "source", q_string_of(row->source));
        q_json_put_string(&json, "language", row->language);
        q_json_put_u64(&json, "documents", row->documents);
        q_json_put_u64(&json, "tokens", row->tokens);
        q_json_put_u64(&json, "text_bytes", row->text_bytes);
        q_json_close(&json, '}');
    }
    q_json_close(&json, ']');
    for (int split = 0; split < 2; split++) {
        const uint64_t *lengths = survey->splits[split].lengths;
        size_t bins = SHARD_LENGTH_BINS;
        while (bins > 0 && lengths[bins - 1] == 0)
            bins--;
        q_json_open(&json, split == SHARDS_TRAIN ? "train_lengths" : "heldout_lengths", '[');
        for (size_t bin = 0; bin < bins; bin++)
            q_json_put_u64(&json, NULL, lengths[bin]);
        q_json_close(&json, ']');
    }
    q_json_close(&json, '}');
    return flush_json(&json, &text);
}

static void print_stats_text(const struct survey *survey)
{
    for (size_t i = 0; i < survey->row_count; i++) {
        const struct survey_row *row = &survey->rows[i];
        printf("%s\t%s\t%.*s\t%llu\t%llu\t%llu\t%.3f\n", shards_split_names[row->split], row->source,
               Q_STRING_ARGS(row->language), (unsigned long long)row->documents, (unsigned long long)row->tokens,
               (unsigned long long)row->text_bytes, (double)row->text_bytes / (double)Q_MAX(row->tokens, 1));
    }
}

q_status cmd_shards_stats(void *opaque, const char *const *arguments, size_t count)
{
    const struct q_common *common = opaque;
    struct survey survey = {0};
    (void)count;
    q_status status = survey_path(&survey, arguments[0]);
    if (!status && common->json)
        status = print_stats_json(&survey);
    else if (!status)
        print_stats_text(&survey);
    survey_release(&survey);
    return status;
}

static q_status verify_file(const char *path)
{
    struct shard_file *file;
    Q_TRY(shard_file_open(path, &file));
    const q_status status = shard_file_verify(file);
    if (!status)
        printf("%s: good (%llu sequences, %llu tokens)\n", path, (unsigned long long)file->header.sequences,
               (unsigned long long)file->header.tokens);
    shard_file_close(file);
    return status;
}

/* The manifest's hashes, then each file against itself and against the manifest. */
static q_status verify_folder(const char *folder)
{
    struct q_manifest manifest = {0};
    q_status status = q_manifest_read(folder, &manifest);
    if (!status)
        status = q_manifest_verify(&manifest);
    q_manifest_release(&manifest);
    for (int split = 0; split < 2 && !status; split++) {
        struct shards *shards;
        status = shards_open(folder, (enum shards_split)split, &shards);
        if (status)
            break;
        for (size_t f = 0; f < shards->file_count && !status; f++) {
            struct shard_file *file;
            status = shard_file_open(shards->files[f].path, &file);
            if (status)
                break;
            status = shards_file_check(shards, &shards->files[f], file);
            if (!status)
                status = shard_file_verify(file);
            shard_file_close(file);
        }
        if (!status)
            printf("%s: %s: good (%zu file%s, %llu sequences, %llu tokens)\n", folder, shards_split_names[split],
                   shards->file_count, shards->file_count == 1 ? "" : "s", (unsigned long long)shards->sequences,
                   (unsigned long long)shards->tokens);
        shards_close(shards);
    }
    return status;
}

q_status cmd_shards_verify(void *opaque, const char *const *arguments, size_t count)
{
    (void)opaque;
    (void)count;
    return q_fs_is_directory(arguments[0]) ? verify_folder(arguments[0]) : verify_file(arguments[0]);
}
