/* The identity of cleaning a file, for tests that compare two. */
#ifndef QUERN_TESTS_PLAN_KEY_H
#define QUERN_TESTS_PLAN_KEY_H

#include "corpus/corpus_plan.h"
#include "tests/base/cmocka_all.h"

#include <stdio.h>

/* The step's key for in.txt under one set=value (NULL: none). */
static inline void plan_key(const char *set, char out[64])
{
    const char *sets[] = {set}, *inputs[] = {"in.txt"};
    struct q_texts texts = {.items = sets, .count = set ? 1 : 0};
    struct corpus_plan one = {0};
    struct q_step step = {0};
    assert_ok(corpus_plan_begin(NULL, &texts, &one));
    assert_ok(corpus_plan_files(&one, inputs, 1));
    assert_ok(corpus_plan_step(&one, &step));
    snprintf(out, 64, "%s", step.key);
    q_step_release(&step);
    corpus_plan_release(&one);
}

#endif
