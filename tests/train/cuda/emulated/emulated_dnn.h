/* How the tests' cuDNN (cudnn_frontend.h) behaves, and what it has seen. */
#ifndef QUERN_TESTS_EMULATED_DNN_H
#define QUERN_TESTS_EMULATED_DNN_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The ways in which it has no plan: as an error of one of the steps that make one, thrown, or by wanting too much workspace. */
enum emulated_dnn_refusal {
    DNN_REFUSES_NOTHING,
    DNN_REFUSES_TO_VALIDATE,
    DNN_REFUSES_ENGINES,
    DNN_REFUSES_SUPPORT,
    DNN_REFUSES_TO_BUILD,
    DNN_THROWS,
    DNN_WANTS_MORE,
    DNN_REFUSALS
};

struct emulated_dnn {
    enum emulated_dnn_refusal refusal;
    bool refuses_backward;             /* alone, and for its own reasons */
    bool fails, throws, no_start;      /* plans when they run; handles when they are made */
    size_t alive;                      /* handles and graphs that were not destroyed */
    size_t built, executed, any_order; /* any_order: backward, and the same bits were not asked for */
};
extern struct emulated_dnn emulated_dnn;

#ifdef __cplusplus
}
#endif
#endif
