/* The numbers of cases: functions of the tensor's name and the case's kind and size. */
#include "base/random.h"
#include "train/bfloat16.h"
#include "train/ops_check/ops_cases.h"

#include <math.h>

/* K different experts for each token: a random start and step through a permutation. */
static void fill_chosen(int32_t *out, size_t slots, size_t experts, size_t top_k, q_random_key key)
{
    for (size_t slot = 0; slot < slots; slot++) {
        bool used = true;
        for (uint64_t try = 0; used; try++) {
            out[slot] = (int32_t)q_random_below(key, slot * 1000 + try, experts);
            used = false;
            for (size_t k = slot / top_k * top_k; k < slot; k++)
                used = used || out[k] == out[slot];
        }
    }
}

enum { PIECE = 512 };

/* Of a normal draw. */
static double real_of(enum ops_fill fill, double x)
{
    if (fill == OPS_NEAR_ONE)
        x = 1.0 + 0.1 * x;
    if (fill == OPS_SQUARES)
        x = 0.01 * x * x;
    if (fill == OPS_COARSE)
        x = fmin(8, fmax(-8, floor(8 * x) / 8));
    return x;
}

void ops_fill(const struct ops_case *c, size_t tensor, size_t count, void *out)
{
    const struct ops_tensor *t = &c->tensors[tensor];
    q_random_key key = q_random_key_of(7, t->name, c->kind, c->size[0] * 1000 + c->size[1]);
    if (t->fill == OPS_CHOSEN) {
        fill_chosen(out, count, t->bound, c->kind == OPS_GROUPED ? c->size[6] : c->size[2], key);
        return;
    }
    double normal[PIECE];
    for (size_t i = 0; i < count; i++) {
        if (i % PIECE == 0 && t->type != OPS_I32 && t->type != OPS_I64)
            q_random_normals(key, i, normal, PIECE);
        switch (t->type) {
        case OPS_I32: {
            bool none = t->fill == OPS_TARGETS && i % 5 == 3;
            ((int32_t *)out)[i] = none ? -1 : t->bound ? (int32_t)q_random_below(key, i, t->bound) : 0;
            break;
        }
        case OPS_I64:
            ((int64_t *)out)[i] = (int64_t)q_random_below(key, i, 7);
            break;
        case OPS_BF16:
            ((uint16_t *)out)[i] = bfloat16_of_float((float)real_of(t->fill, normal[i % PIECE]));
            break;
        default:
            ((double *)out)[i] = real_of(t->fill, normal[i % PIECE]);
        }
    }
}
