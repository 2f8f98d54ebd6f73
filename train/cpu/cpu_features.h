/* What a processor has that compilers cannot be asked for by one name. */
#ifndef QUERN_TRAIN_CPU_FEATURES_H
#define QUERN_TRAIN_CPU_FEATURES_H

#include <stdbool.h>

/* AVX-512 BF16 (VDPBF16PS). */
bool cpu_has_dot_bf16(void);

/* AMX's tiles and their product of BF16, and the system's leave to use them, which is asked for here for all threads of the process (Linux 5.16). */
bool cpu_has_amx_bf16(void);

#endif
