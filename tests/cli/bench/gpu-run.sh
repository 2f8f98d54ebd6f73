# bench/gpu/run: without a GPU one line and exit 2, of a build that was carried too; and each of its parts on little, over the emulated device.
export CUDA_VISIBLE_DEVICES=
unset QUERN_PEER_SCRIPTS
run() { "$QUERN_SOURCE/bench/gpu/run" "$@" 2>&1 | sed -E 's/(no GPU here).*/\1/; s/, [0-9.]+ s$/, T s/; s|^/.*/||'; echo "exit ${PIPESTATUS[0]}"; }
run
"$QUERN_SOURCE/bench/gpu/pack" carried >/dev/null || echo "exit $?"
ls carried carried/bin carried/bench carried/prepared
QUERN_BUILD=$PWD/carried run
mkdir none && printf '#!/bin/sh\nexit 9\n' >none/nvidia-smi && chmod +x none/nvidia-smi
QUERN_BUILD=$PWD/nothing PATH="$PWD/none:$PATH" run # nothing is built where there is nothing to build for
echo "== over the emulated device, which is Hopper's"
export QUERN_EMULATED_HOPPER=1
export QUERN_TRAIN=$QUERN_BUILD/tests/quern-train-emulated QUERN_RESULTS=$PWD/results
run --quick
ls results
grep -c '"state": "passed"' results/emulated.json
grep '^## ' results/emulated.md
grep '^Not run' results/emulated.md # a row in bench/gpu_table.c whose part the run-book does not have
grep -c '^| [a-z].*| *[0-9.]* *|' results/emulated.md | awk '{ print ($1 > 60 ? "rows" : "few rows: " $1) }'
echo "== a program that fails, and no time"
printf '#!/bin/sh\ncase "$*" in *bias_update*) exit 0 ;; esac\necho "quern-train: no such luck" >&2\nexit 4\n' >fails
chmod +x fails
QUERN_TRAIN=$PWD/fails run --quick | grep -E 'ops|moe,|moe:|parity|exit'
echo "== a program that fails with Hopper's instructions"
printf '#!/bin/sh\ncase "$QUERN_CUDA_WITHOUT$*" in wgmma*|*bias_update*) exit 0 ;; esac\nexit 4\n' >fails
QUERN_TRAIN=$PWD/fails run --quick | grep -E 'ops-bf16-without|memcheck'
grep 'Measured without' results/emulated.md
QUERN_SECONDS=0 run --quick | grep -E 'ops:|parity|exit'
echo "== killed in the middle: the page of what was before stands"
printf '#!/bin/sh\ncase "$*" in *bias_update*) exit 0 ;; bench*) read -r _ _ _ run _ <"/proc/$PPID/stat" && kill -9 "$run" ;; esac\n' >fails
TMPDIR=$PWD QUERN_TRAIN=$PWD/fails run | tail -n 2
grep -E '^\| ceilings|^Not run' results/emulated.md | sed 's/ [0-9.]* s / T s /g'
