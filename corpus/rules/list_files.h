/* The files that the settings `lists` name: hashed for the identity, read once, shared by all languages whose rules name the same ones. */
#ifndef QUERN_CORPUS_LIST_FILES_H
#define QUERN_CORPUS_LIST_FILES_H

#include "base/hash.h"
#include "base/json.h"
#include "corpus/rules/block_list.h"

enum { CORPUS_LIST_FILE_BYTES_MAX = 256 << 20 };

/* Ready when zeroed. */
struct corpus_list_files {
    struct corpus_list_file { /* hashed so far */
        const char *path;
        q_hash hash;
    } * files;
    size_t file_count, file_capacity;
    struct corpus_loaded_list {
        enum corpus_list_kind kind;
        const struct q_texts *files;
        struct corpus_block_list *list;
    } * lists;
    size_t list_count, list_capacity;
};

/* The setting's name: "domains". */
const char *corpus_list_name(enum corpus_list_kind kind);

/* Joins the paths to the recipe's folder. In the arena. */
q_status corpus_list_files_place(struct corpus_lists_settings *settings, const char *folder,
                                 struct q_arena *arena) Q_MUST_USE;

/* Hashes the files, and sets in `identity` (the family's settings) under the name of each setting that names any the list of their hashes, sorted: neither
 * paths nor their order matter. Nothing where the family is off. The settings' paths must outlive `files`. */
q_status corpus_list_files_hash(struct corpus_list_files *files, const struct corpus_lists_settings *settings,
                                json_t *identity) Q_MUST_USE;

/* Makes the lists of these settings, and says in the settings that they can be asked. Q_ERR_INPUT where a file is not there, not UTF-8, larger than
 * CORPUS_LIST_FILE_BYTES_MAX, or not the one that was hashed any more. The settings' paths must outlive `files`, and `files` the asking. */
q_status corpus_list_files_load(struct corpus_list_files *files, struct corpus_lists_settings *settings) Q_MUST_USE;

void corpus_list_files_release(struct corpus_list_files *files);

#endif
