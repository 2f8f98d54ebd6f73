/* The page of bench/gpu/run: what its parts have printed, put together as a subject (docs/formats/figures.md), and the
 * Markdown made from that alone.
 *
 * The run-book leaves a folder with a file `parts`, a line a part in the order in which they ended, tabs between the columns:
 *
 *     NAME STATE SECONDS USER SYSTEM WHAT COMMAND WHY
 *
 * (STATE: passed, failed, out of time, skipped; seconds of the clock and of processors; WHY: of what has not passed, the
 * last that it said), and what each printed in NAME.out and NAME.err. Its row in gpu_table.c says to which table of the page
 * a part belongs, and what is wanted of it. Nothing that a part printed, cut off or not, is a failure here: what cannot be
 * read is said to be missing.
 */
#ifndef QUERN_BENCH_GPU_PAGE_H
#define QUERN_BENCH_GPU_PAGE_H

#include "base/json.h"

enum gpu_kind {
    GPU_CEILINGS,   /* ops --perf --operation average --json: the ceilings alone */
    GPU_STEPS,      /* bench --json: whole steps */
    GPU_TORCH,      /* train_torch.py: the peer of these */
    GPU_BLOCK,      /* bench --block --json: forward and backward */
    GPU_PROFILE,    /* bench --by-operation --json */
    GPU_OPERATIONS, /* ops --perf --json */
    GPU_LIBRARIES,  /* gpu_peer.py, beside `perf` */
    GPU_PARITY,     /* parity --json */
    GPU_CHECK,      /* ops --json */
    GPU_SANITIZER,  /* compute-sanitizer */
};

struct gpu_part {
    const char *name;
    enum gpu_kind kind;
    bool optional;             /* run only where another one has failed: nothing is said where it was not */
    bool beside_torch;         /* the same model as PyTorch's */
    double wanted_flop_per_s;  /* at least; 0: nothing is wanted. Likewise: */
    double wanted_share;       /* of the chip's product of matrices */
    double wanted_times_torch; /* tokens a second, to the best of PyTorch's */
};

/* A row for each part that the page shows, in its order; NULL as a name ends it. A part without a row stands under "What was run" alone. */
extern const struct gpu_part gpu_parts[];

/* The part of this name in a subject, NULL where it was not run. Borrowed. */
const json_t *gpu_part_find(const json_t *subject, const char *name);
/* What it printed, where it passed and that is whole; else NULL. Borrowed. */
const json_t *gpu_part_result(const json_t *part);
/* A member of an object; NAN where it is no number. */
double gpu_number(const json_t *object, const char *key);
/* The same of a text; "" where it is none. Borrowed. */
const char *gpu_text(const json_t *object, const char *key);
/* a / b; NAN where one is missing, or b is not above 0. */
double gpu_ratio(double a, double b);
/* Floating-point operations a second of the chip's product of matrices, and tokens a second of the best of PyTorch's; NAN where not measured. */
double gpu_ceiling(const json_t *subject);
double gpu_torch_rate(const json_t *subject);
/* What is wanted of the part on this chip: 0, nothing, where that is above its ceiling. */
double gpu_wanted_flop_per_s(const json_t *subject, const struct gpu_part *row);

struct gpu_about {
    const char *subject; /* "h100": name of the files */
    const char *chip;    /* for people */
    const char *without; /* what QUERN_CUDA_WITHOUT left out; NULL or "": nothing */
    bool quick;          /* only tried whether everything runs: nothing is wanted of its figures */
};

/* The subject, with its figures and `parts`, from the folder. New reference. Q_ERR_INPUT where the folder has no `parts`. */
q_status gpu_subject(const struct gpu_about *about, const char *folder, json_t **out) Q_MUST_USE;

/* Its page, appended. Q_ERR_INPUT where the object is no subject. */
q_status gpu_page(const json_t *subject, const char *name, struct q_buffer *out) Q_MUST_USE;

#endif
