/* What manifests and steps share. */
#ifndef QUERN_BASE_MANIFEST_PRIVATE_H
#define QUERN_BASE_MANIFEST_PRIVATE_H

#include "base/manifest.h"

enum {
    Q_STEP_FORMAT = 1,     /* of step.json. A change is another identity of every step: all is built again */
    Q_MANIFEST_FORMAT = 1, /* of the records, manifest.json and provenance.json */
    Q_MANIFEST_BYTES_MAX = 1 << 30,
    Q_RECORD_BYTES_MAX = 64 << 20,
    Q_STEP_BYTES_MAX = 16 << 20,
};

/* Whether a manifest may name a file so: one part of a path, no control characters, not hidden, and so neither "." nor "..". What a hostile manifest
 * names is never outside its folder. */
bool q_is_plain_name(q_string name);

/* XXH3-128 of an identity's bytes as step.json has them. */
q_status q_identity_hash(const json_t *identity, q_hash *out) Q_MUST_USE;
/* KEY of an identity: the first twelve hex digits of the XXH3-128 of its bytes as step.json has them. */
q_status q_identity_key(const json_t *identity, char key[Q_KEY_SIZE]) Q_MUST_USE;

/* The member `files` of a record: names, sizes and hashes, checked; the array and the names in the arena. */
q_status q_record_files(const json_t *record, const char *name, struct q_arena *arena,
                        struct q_manifest_file **out_files, size_t *out_count) Q_MUST_USE;
/* Whether FOLDER/file->name is a file of its size: Q_ERR_INPUT where it is not. */
q_status q_check_file_size(const char *folder, const struct q_manifest_file *file) Q_MUST_USE;

/* Appends what first differs between two identities: "setting 'part_bytes' is 64 there, 128 here". The texts for it are cut to a readable length. */
q_status q_identity_difference(const json_t *there, const json_t *here, struct q_buffer *out) Q_MUST_USE;

/* Publishes provenance.json beside a manifest. */
q_status q_provenance_publish(struct q_step *step, const char *program) Q_MUST_USE;

/* FOLDER/NAME of an opened step, in its arena. */
q_status q_step_path(struct q_step *step, const char *name, const char **out) Q_MUST_USE;

#endif
