/* NVIDIA's own header beside emulated/cublaslt_facts.h, where the toolkit is: other numbers, or a call declared otherwise, do not compile. */
#include "tests/train/cuda/emulated/cublaslt_facts.h"

#include <assert.h>
#include <cublasLt.h>

#define HOLDS(name, value) static_assert((name) == (value), #name);
CUBLASLT_CONSTANTS(HOLDS)

#define CALL(name, ...) cublasStatus_t name(__VA_ARGS__);
CUBLASLT_CALLS(CALL)
