/* The plan of a build: which files its inputs are, under which names, and how they are cut into parts.
 *
 * A file's name within its input is what it is called in ids and in the identity, never where it lies on this machine: its base name where the
 * recipe gives the file itself, its path below the folder for a folder, its path below the pattern's fixed part for a pattern. Two files of one
 * input with the same name are refused.
 */
#ifndef QUERN_CORPUS_PLAN_H
#define QUERN_CORPUS_PLAN_H

#include "base/manifest.h"
#include "base/recipe.h"
#include "corpus/corpus_cut.h"
#include "corpus/corpus_settings.h"
#include "corpus/lang/classify.h"
#include "corpus/rules/list_files.h"

struct corpus_file {
    const char *name; /* within the input */
    const char *path; /* on this machine */
    uint64_t bytes;
    q_hash hash;
    struct timespec modified;    /* when the plan was made: before it was hashed */
    struct corpus_pieces pieces; /* none before corpus_plan_parts */
};

struct corpus_source {
    const struct q_input *input;
    struct corpus_file *files; /* sorted by name */
    size_t file_count;
};

/* A run of files of one input, or a piece of one file. */
struct corpus_part {
    size_t source;
    size_t first, count;
    size_t piece; /* of file `first`; 0 where it is not cut or has files behind it */
};

struct corpus_plan {
    struct q_arena arena;
    struct q_recipe recipe;
    struct corpus_settings settings;  /* paths of models and lists are joined to the recipe's folder */
    struct corpus_models models;      /* none before corpus_plan_models */
    q_hash lang_model, quality_model; /* of the models' bytes, as the identity has them; zero where there is none */
    struct corpus_list_files lists;   /* what is in the files of the settings `lists` */
    struct corpus_source *sources;
    size_t source_count;
    struct corpus_part *parts;
    size_t part_count;
    uint64_t bytes; /* of all files */
};

/* Reads the recipe (NULL: none) with its overrides, and the section's settings. Q_ERR_USAGE where they ask for a
 * quality, but name no model. corpus_plan_release also after a failure. */
q_status corpus_plan_begin(const char *recipe, const struct q_texts *overrides, struct corpus_plan *plan) Q_MUST_USE;
/* Finds the files of the recipe's inputs, or of `arguments` where there are any (each an input named after itself). A pattern without a file is
 * Q_ERR_INPUT. */
q_status corpus_plan_files(struct corpus_plan *plan, const char *const *arguments, size_t count) Q_MUST_USE;
/* Cuts the parts, for who builds them: of large files the beginnings of pieces are looked for. Q_ERR_USAGE where they are too many. */
q_status corpus_plan_parts(struct corpus_plan *plan) Q_MUST_USE;
/* Q_ERR_INPUT where the file is not the one that was planned and hashed any more, by its size and time. Asked when it has been read to its end. */
q_status corpus_file_unchanged(const struct corpus_file *file) Q_MUST_USE;
/* Hashes the files, models and lists too, and makes the step's identity, sealed. */
q_status corpus_plan_step(struct corpus_plan *plan, struct q_step *step) Q_MUST_USE;
/* Loads the models and the lists that the settings name, for the parts. Q_ERR_INPUT where one is not what corpus_plan_step, if it was called, had hashed. */
q_status corpus_plan_models(struct corpus_plan *plan) Q_MUST_USE;
/* The lists alone. */
q_status corpus_plan_lists(struct corpus_plan *plan) Q_MUST_USE;
void corpus_plan_release(struct corpus_plan *plan);

/* "My File (1).deb" -> "my-file-1-.deb": what an input without a name is called. In the arena. */
q_status corpus_input_name(struct q_arena *arena, const char *path, const char **out) Q_MUST_USE;

/* The piece's bytes of a file: from (counted) to (not). */
static inline void corpus_piece_range(const struct corpus_file *file, size_t piece, uint64_t *from, uint64_t *to)
{
    *from = file->pieces.cuts[piece];
    *to = piece + 1 < file->pieces.count ? file->pieces.cuts[piece + 1] : file->bytes;
}
/* How the files of a source are read, whole. */
struct corpus_reader_options corpus_plan_reader(const struct corpus_plan *plan, const struct corpus_source *source);
/* Stored bytes of a part. */
uint64_t corpus_part_bytes(const struct corpus_plan *plan, const struct corpus_part *part);

#endif
