#include "shards/shards_survey.h"

#include "base/check.h"

/* The row of this language, behind the rows of the same split and source; added where it is new. */
static q_status find_row(struct survey *survey, enum shards_split split, const char *source, q_string language,
                         struct survey_row **out)
{
    for (size_t i = survey->row_count; i-- > 0;) {
        struct survey_row *row = &survey->rows[i];
        if (row->split == split && strcmp(row->source, source) == 0 && q_string_equal(row->language, language)) {
            *out = row;
            return Q_OK;
        }
    }
    Q_TRY(q_grow(&survey->rows, &survey->row_capacity, survey->row_count + 1, sizeof *survey->rows));
    struct survey_row *row = &survey->rows[survey->row_count];
    *row = (struct survey_row){.split = split};
    Q_TRY(q_arena_cstring(&survey->arena, q_string_of(source), &row->source));
    Q_TRY(q_arena_string(&survey->arena, language, &row->language));
    survey->row_count++;
    *out = row;
    return Q_OK;
}

/* Stored sizes by what they are for. What is left of the file is the seek table's. */
static q_status add_sizes(struct survey_split *sum, const struct shard_file *file)
{
    struct q_frame_info info;
    struct stat stat;
    bool exists;
    for (uint32_t f = 0; f < file->frames + SHARD_FRAMES_AROUND; f++) {
        Q_TRY(q_seekable_frame(file->reader, f, &info));
        if (info.kind == Q_FRAME_SKIPPABLE)
            sum->kind_bytes[Q_MIN(info.skippable_kind, SHARD_PROVENANCE)] += info.stored_bytes;
        else
            sum->data_bytes += info.stored_bytes;
    }
    Q_TRY(q_fs_look(file->path, &exists, &stat));
    sum->data_frames += file->frames;
    sum->stored_bytes += exists ? (uint64_t)stat.st_size : 0;
    return Q_OK;
}

static q_status add_statistics(struct survey *survey, const struct shard_file *file,
                               const struct shard_statistics *statistics)
{
    const struct shard_header *header = &file->header;
    struct survey_split *sum = &survey->splits[header->split];
    const char *source;
    Q_TRY(q_arena_cstring(&survey->arena, header->source, &source));
    for (size_t i = 0; i < statistics->language_count; i++) {
        const struct shard_language *language = &statistics->languages[i];
        struct survey_row *row;
        Q_TRY(find_row(survey, header->split, source, language->name, &row));
        row->documents += language->documents;
        row->tokens += language->tokens;
        row->text_bytes += language->text_bytes;
    }
    for (size_t bin = 0; bin < SHARD_LENGTH_BINS; bin++)
        sum->lengths[bin] += statistics->lengths[bin];
    for (uint32_t id = 0; id < survey->vocabulary; id++)
        sum->counts[id] += statistics->counts[id];
    sum->files++;
    sum->documents += header->documents;
    sum->fim_documents += header->fim_documents;
    sum->tokens += header->tokens;
    sum->sequences += header->sequences;
    sum->tail_tokens += shard_tail(header);
    sum->text_bytes += header->text_bytes;
    return Q_OK;
}

/* The first file gives the shape; the others have it too (the manifest says so, shards_file_check compares). */
static q_status take_shape(struct survey *survey, const struct shard_header *header)
{
    if (survey->splits[0].counts)
        return Q_OK;
    survey->sequence_tokens = header->sequence_tokens;
    survey->frame_ids = header->frame_ids;
    survey->vocabulary = header->vocabulary;
    survey->id_bytes = header->id_bytes;
    survey->tokenizer = header->tokenizer;
    for (int split = 0; split < 2; split++)
        Q_TRY(q_arena_alloc(&survey->arena, header->vocabulary, sizeof(uint64_t), &survey->splits[split].counts));
    return Q_OK;
}

static q_status add_file(struct survey *survey, const char *path, const struct shards *shards,
                         const struct shards_file *said)
{
    struct shard_file *file;
    struct q_arena arena = {0};
    struct shard_statistics statistics;
    Q_TRY(shard_file_open(path, &file));
    q_status status = said ? shards_file_check(shards, said, file) : Q_OK;
    if (!status)
        status = take_shape(survey, &file->header);
    if (!status)
        status = shard_file_statistics(file, &arena, &statistics);
    if (!status)
        status = add_statistics(survey, file, &statistics);
    if (!status)
        status = add_sizes(&survey->splits[file->header.split], file);
    q_arena_release(&arena);
    shard_file_close(file);
    return status;
}

static int compare_languages(const void *a, const void *b)
{
    return q_string_compare(((const struct survey_row *)a)->language, ((const struct survey_row *)b)->language);
}

/* Rows of one source are neighbours already, for files are numbered by source. */
static void sort_rows(struct survey *survey)
{
    for (size_t from = 0, to; from < survey->row_count; from = to) {
        const struct survey_row *first = &survey->rows[from];
        for (to = from + 1; to < survey->row_count; to++) {
            if (survey->rows[to].split != first->split || strcmp(survey->rows[to].source, first->source) != 0)
                break;
        }
        qsort(&survey->rows[from], to - from, sizeof *survey->rows, compare_languages);
    }
}

static q_status survey_folder(struct survey *survey, const char *folder)
{
    for (int split = 0; split < 2; split++) {
        struct shards *shards;
        Q_TRY(shards_open(folder, (enum shards_split)split, &shards));
        survey->sequence_tokens = shards->sequence_tokens;
        q_status status = Q_OK;
        for (size_t f = 0; f < shards->file_count && !status; f++)
            status = add_file(survey, shards->files[f].path, shards, &shards->files[f]);
        shards_close(shards);
        Q_TRY(status);
    }
    return Q_OK;
}

q_status survey_path(struct survey *survey, const char *path)
{
    Q_TRY(q_fs_is_directory(path) ? survey_folder(survey, path) : add_file(survey, path, NULL, NULL));
    sort_rows(survey);
    return Q_OK;
}

void survey_release(struct survey *survey)
{
    q_release(survey->rows);
    q_arena_release(&survey->arena);
    *survey = (struct survey){0};
}
