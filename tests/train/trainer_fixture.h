/* Whole runs of a very small model on invented shards, for tests of the trainer. */
#ifndef QUERN_TESTS_TRAIN_TRAINER_FIXTURE_H
#define QUERN_TESTS_TRAIN_TRAINER_FIXTURE_H

#include "train/trainer.h"

enum { FIXTURE_SEQUENCE = 16, FIXTURE_BATCH = 4, FIXTURE_STEPS = 30 };

/* What a run is made with beyond the recipe of the fixture: 30 steps of 4 sequences of 16 tokens, a checkpoint every 5. */
struct fixture_run {
    const char *folder;
    const char *set[6]; /* "train.guard.rule=skip" */
    unsigned threads;   /* 0: 1 */
    struct comm *comm;  /* borrowed; NULL: one rank. Each rank makes the call from a thread of its own */
};

/* What a run came to. */
struct fixture_end {
    struct train_position position;
    q_hash state; /* parameters, biases and moments as the run's last checkpoint has them */
};

/* Enters a new empty folder and puts shards there; leaves and removes it (cmocka's group set-up and tear-down). */
int trainer_fixture_enter(void **state);
int trainer_fixture_leave(void **state);

/* The hash that the fixture's runs have for an identity. */
extern const q_hash fixture_identity;

/* Makes the folder where it is absent, creates a trainer on it and runs it: *end (may be NULL) only behind Q_OK. */
q_status fixture_train(const struct fixture_run *run, struct fixture_end *end) Q_MUST_USE;
/* Hash of the files that `latest` of the folder names, without trainer.json. */
q_hash fixture_latest_hash(const char *folder);
/* How many lines of the folder's journal are of this event. The newest of them is left in *out where it is not NULL (new reference, or NULL). */
size_t fixture_events(const char *folder, const char *event, json_t **out);

#endif
