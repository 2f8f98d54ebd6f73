# Sourced by the tests of the trainer: the tiny text as shards, runs on them, runs that end before they are through.
. "$QUERN_SOURCE/tests/tiny/pipeline-lib.sh"
weights=model-00001-of-00001.safetensors # of a finished run, of a checkpoint, of an export

# Input and recipe, and what stages 1, 3 and 4 make of them, in this folder. `recipe` names it to the programs, with OPTIONS for all that follows. `tiny_lines`: a file of JSON lines that belong to the
# input too.
tiny_train_setup() { # OPTIONS
    tiny_setup .
    [ -z "${tiny_lines-}" ] || cat "$tiny_lines" >>input/lines.jsonl
    recipe="--recipe recipe.yaml $*"
    { quern-corpus build $recipe -o corpus -q && quern-tokenizer train corpus $recipe -o tokenizer -q && quern-shards build corpus -t tokenizer $recipe -o shards -q; } >out 2>&1 ||
        { cat out; exit 1; }
}

# For ranks that are MPI's processes: any number of them on any machine, as root too, without a network. Skips where there is no MPI.
tiny_mpi_setup() {
    [ -x "$QUERN_BUILD/tests/comm_processes" ] && command -v mpirun >/dev/null || { echo "SKIP: no mpirun"; exit 0; }
    "$QUERN_BUILD/tests/comm_processes" | grep -q 'no MPI' && { echo "SKIP: this build has no MPI"; exit 0; }
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_btl=self,vader
    export OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_mpi_yield_when_idle=1
}

# The program in place of this shell, its words in FOLDER.out. `launch`, where it is set, stands before it: mpirun.
tiny_train_exec() { # FOLDER OPTIONS
    exec ${launch-} quern-train run $recipe --shards shards -t tokenizer -o "$1" -q "${@:2}" >"$1.out" 2>&1
}
tiny_train_run() { (tiny_train_exec "$@"); } # FOLDER OPTIONS: its exit code

# What the last run in the folder said, but for its summary.
tiny_train_said() { sed -E 's/^([0-9:]+ )?quern-train( run)?: //; /^train: /d' "$1.out"; } # FOLDER

# A run that is to come to its end without a word (mpirun has some of its own); where it does not, its exit code.
tiny_train() { # FOLDER OPTIONS
    local code=0
    tiny_train_run "$@" || code=$?
    [ $code -eq 0 ] && [ -n "${launch-}" ] || tiny_train_said "$1"
    [ $code -eq 0 ] || echo "exit $code"
    return $code
}

# Whether the run that began last, and not one before it, has brought the metrics to so many lines, and has a checkpoint where it is to be killed: without one the next run would begin anew.
tiny_train_reached() { # FOLDER LINES SIGNAL
    local written
    [ "$1/metrics.jsonl" -nt "$1.began" ] && mapfile -t written <"$1/metrics.jsonl" && [ ${#written[@]} -ge "$2" ] && { [ "$3" != KILL ] || [ -e "$1/latest" ]; }
}

# A process and all that come from it.
tiny_processes() { # PID
    local child
    echo "$1"
    for child in $(pgrep -P "$1" 2>/dev/null); do tiny_processes "$child"; done
}

# A run that is sent SIGNAL when its metrics have LINES lines; its exit code. One that was through before the signal came, on a busy machine, is made again from the folder as it was.
# (A function for one more reason: between the commands of a script bash itself tells of a job that died before anybody waited for it.)
tiny_train_signalled() { # SIGNAL FOLDER LINES OPTIONS
    local signal=$1 folder=$2 lines=$3 code pid
    shift 3
    for _ in {1..20}; do
        rm -rf "$folder.before"
        [ ! -e "$folder" ] || cp -a "$folder" "$folder.before"
        touch "$folder.began"
        tiny_train_exec "$folder" "$@" &
        pid=$!
        until tiny_train_reached "$folder" "$lines" "$signal" || ! kill -0 $pid 2>/dev/null; do sleep 0.01; done
        kill -"$signal" $(tiny_processes $pid) 2>/dev/null || true
        code=0
        wait $pid 2>/dev/null || code=$?
        # mpirun's ranks are nobody's to wait for: the journal's lock is free when the last is gone.
        [ -z "${launch-}" ] || flock "$folder/journal" true
        [ -e "$folder/manifest.json" ] || break
        rm -rf "$folder"
        [ ! -e "$folder.before" ] || mv "$folder.before" "$folder"
    done
    return $code
}

# A run that is killed when its metrics have LINES lines; says so where it was not.
tiny_train_killed() { # FOLDER LINES OPTIONS
    local code=0
    tiny_train_signalled KILL "$@" || code=$?
    [ $code -eq 137 ] || { tiny_train_said "$1"; echo "exit $code, not killed"; return 1; }
}

tiny_same_weights() { cmp "$1/$weights" "$2/$weights"; }                                      # FOLDER FOLDER
tiny_same_result() { tiny_same_weights "$1" "$2" && cmp "$1/manifest.json" "$2/manifest.json"; } # FOLDER FOLDER

# A run's losses, step by step.
tiny_losses() { grep -o '"loss":[0-9.]*' "$1/metrics.jsonl" | cut -d: -f2; } # FOLDER

# Whether two runs come to nearly the same loss.
tiny_near() { # FOLDER FOLDER
    paste -d ' ' <(tiny_losses "$1" | tail -n 1) <(tiny_losses "$2" | tail -n 1) |
        awk '{ d = $1 - $2; if (d < 0) d = -d; print (NF == 2 && d < 0.02 ? "the losses are near each other" : "losses " $0) }'
}
