/* quern-train: stage 5. The verbs are in cmd_train_*.c. */
#include "train/cmd_train.h"

#include "base/report_verb.h"
#include "train/train_settings.h"

#include <stddef.h>

static const struct q_verb verbs[] = {
    {.name = "run",
     .synopsis = "--recipe FILE --shards DIR -t DIR -o DIR",
     .summary = "train, from the beginning or from the last checkpoint",
     .details =
         "Trains the recipe's model on the shards up to 'train.tokens'. Stopped (Ctrl-C, SIGTERM, SIGUSR2) it saves a "
         "checkpoint and exits "
         "with 75; run again, it goes on to the same bit. (mpirun kills its processes one second behind SIGTERM: stop "
         "it by "
         "SIGUSR2, or give it '--mca odls_base_sigkill_timeout 600'.) When it is through, DIR is a Hugging Face model "
         "folder.\n\n"
         "  quern-train run --recipe recipes/demo.yaml --shards run/shards/KEY -t run/tokenizer/KEY -o model\n"
         "  quern-train run --recipe r.yaml --shards S -t T -o model --set train.tokens=10M    (goes on further)",
     .takes = Q_TAKES_OUT | Q_TAKES_THREADS | Q_TAKES_RECIPE | Q_TAKES_FORCE | Q_TAKES_TASK,
     .options = train_run_table,
     .options_size = sizeof(struct train_run_options),
     .run = train_run},
    {.name = "plan",
     .synopsis = "--recipe FILE [--gpu-memory BYTES] | --recipe FILE [--shards DIR -t DIR] --json",
     .summary = "what a run would take of memory and disk; as JSON also its key, its model, its steps",
     .details =
         "Nothing is taken, and 'train.backend: cuda' is planned where there is no GPU too. --gpu-memory plans for a "
         "GPU with so much memory; else it is this machine's, where it has one.\n\n"
         "  quern-train plan --recipe recipes/demo.yaml\n"
         "  quern-train plan --recipe recipes/deepseek-v3.yaml --set model=1b --set train.backend=cuda "
         "--gpu-memory 80GB",
     .takes = Q_TAKES_RECIPE | Q_TAKES_JSON,
     .options = train_plan_table,
     .options_size = sizeof(struct train_run_options),
     .run = train_plan},
    {.name = "schedule",
     .synopsis = "--recipe FILE [--json | -o PAGE.html]",
     .summary = "learning rate, batch, balance step, MTP weight against tokens, as a table or as plots",
     .details = "  quern-train schedule --recipe recipes/deepseek-v3.yaml\n  quern-train schedule --recipe "
                "recipes/deepseek-v3.yaml -o schedule.html",
     .takes = Q_TAKES_RECIPE | Q_TAKES_JSON | Q_TAKES_OUT,
     .options_size = sizeof(struct q_common),
     .run = train_schedule},
    {.name = "bench",
     .synopsis = "--model NAME [--backend WHAT] [--block WHAT] [--by-operation] [--json]",
     .summary = "speed of whole training steps on this machine, or of one layer",
     .details = "Clipping and AdamW included, on made-up tokens; 8 sequences of 512 a step. With --block one layer's "
                "forward and backward, on its own.\n\n  quern-train bench "
                "--model nano -j 2\n  quern-train bench --model mini --by-operation\n  quern-train bench --model "
                "v3-layer --block feedforward --backend cuda --precision bf16 --batch 1 --sequence 4096",
     .takes = Q_TAKES_THREADS | Q_TAKES_JSON,
     .options = train_bench_table,
     .options_size = sizeof(struct train_bench_options),
     .run = train_bench},
    {.name = "forward",
     .synopsis = "MODEL --batch FILE -o FILE [--gradients]",
     .summary = "a model's logits, loss and gradients on one batch, as tensors",
     .details =
         "MODEL is a folder with config.json and safetensors: a finished run, a checkpoint, or one from elsewhere. "
         "FILE is a safetensors file with 'ids' and 'targets' [steps, B, T]; step 0 is used, and a target below 0 "
         "is none. Written are 'logits' [B, T, V], 'loss' (the mean over the targets), and with --gradients "
         "'grad.NAME' for every parameter, in FP32.\n\n  quern-train forward model --batch "
         "batch.safetensors -o out.safetensors --gradients",
     .takes = Q_TAKES_OUT | Q_TAKES_THREADS,
     .options = train_forward_table,
     .options_size = sizeof(struct train_forward_options),
     .arguments_min = 1,
     .arguments_max = 1,
     .run = train_forward},
    {.name = "export",
     .synopsis = "CHECKPOINT -o DIR [--dtype TYPE] [--ema] [--mtp]",
     .summary = "a checkpoint's model as a Hugging Face folder",
     .details =
         "CHECKPOINT is a checkpoint, a finished run, or a DeepseekV3 model from elsewhere (F32, BF16, F16, or FP8 "
         "with "
         "scales). Its hashes are compared first, where it has any. DIR gets config.json, generation_config.json, "
         "the tokenizer's files and the tensors, and nothing of the optimizer.\n\n  quern-train export "
         "run/checkpoints/step-00000400 -o model --dtype bf16",
     .takes = Q_TAKES_OUT | Q_TAKES_FORCE,
     .options = train_export_table,
     .options_size = sizeof(struct train_export_options),
     .arguments_min = 1,
     .arguments_max = 1,
     .run = train_export},
    {.name = "inspect",
     .synopsis = "CHECKPOINT [--tensors] [--json]",
     .summary = "what a checkpoint or a model folder holds",
     .details =
         "Its place in the run, the model's shape and parameters, and its tensors with types and shapes; tensors of "
         "layers and experts are put together. Headers are read and checked, no tensor's numbers (see verify).\n\n"
         "  quern-train inspect run/checkpoints/step-00000400",
     .takes = Q_TAKES_JSON,
     .options = train_inspect_table,
     .options_size = sizeof(struct train_inspect_options),
     .arguments_min = 1,
     .arguments_max = 1,
     .run = train_inspect},
    {.name = "ops",
     .synopsis = "[--backend NAME] [--against NAME] [--perf]",
     .summary = "check every operation of a backend against the plain ones, or time them",
     .details = "Each operation runs on odd shapes between guard bands, its outputs poisoned before, with one thread "
                "and with several, beside the plain loops in double, and with --against beside another backend: then "
                "the largest error of each operation is said, in units of what passes.\n\n  quern-train ops\n  "
                "quern-train ops --backend cuda --against cpu\n  quern-train ops --perf -j 1\n  quern-train ops "
                "--perf --backend cuda-bf16 --model v3-layer --batch 1 --sequence 4096",
     .takes = Q_TAKES_THREADS | Q_TAKES_JSON,
     .options = train_ops_table,
     .options_size = sizeof(struct train_ops_options),
     .run = train_ops},
    {.name = "verify",
     .synopsis = "CHECKPOINT... | RUN... --against RUN",
     .summary = "whether checkpoints are whole; whether runs are the same",
     .details =
         "Reads every byte of checkpoints and compares files with their hashes, and the tensors with the hash of "
         "the state that was in memory, where the checkpoint or the run's journal has one.\n\n  quern-train verify "
         "run/train/KEY/checkpoints/*\n  quern-train verify run/train/KEY --against other/train/KEY",
     .takes = 0,
     .options = train_verify_table,
     .options_size = sizeof(struct train_verify_options),
     .arguments_min = 1,
     .arguments_max = SIZE_MAX,
     .run = train_verify},
    {.name = "report",
     .synopsis = "DIR [-o FILE] | NAME=DIR... -o FILE",
     .summary = "curves and expert load as one HTML page; of several runs, their curves over each other",
     .details = "  quern-train report run/train/KEY\n  quern-train report with=one/train/KEY without=other/train/KEY "
                "-o page.html",
     .takes = Q_TAKES_OUT,
     .options = q_report_option_table,
     .options_size = sizeof(struct q_report_options),
     .arguments_min = 1,
     .arguments_max = SIZE_MAX,
     .run = train_report},
    {0}};

static const struct q_program program = {.name = "quern-train",
                                         .summary =
                                             "train a DeepSeek-V3-style mixture-of-experts model on token shards",
                                         .verbs = verbs,
                                         .section = "train",
                                         .settings = &train_settings_table};

int main(int argc, char **argv)
{
    return q_program_main(&program, argc, argv);
}
