# The job scripts of a recipe: every one passes bash and, where it is there, shellcheck; what is built is left out; what is asked and not built
# is refused.
mkdir bin
for stage in corpus dedup tokenizer shards train eval; do ln -s "$QUERN_BUILD/tests/fake_stage" "bin/quern-$stage"; done
for name in quern quern-submit; do ln -s "$QUERN_BUILD/bin/$name" bin/$name; done
export QUERN_LIBEXEC=$PWD/bin
cat >mill.yaml <<'YAML'
name: old mill
dir: run
inputs:
  - name: grain
    path: grain.txt
corpus:
  parts: 5
executor:
  slurm:
    partition: stones
    account: miller
    time: 01:30:00
    exclude: node[3-4]
    tasks: 4
    max_array: 3
    cpus_per_task: 8
    memory: 12GiB
    signal_seconds: 120
    gang:
      partition: wheels
      gpus_per_node: 8
      cpus_per_task: 64
YAML
try() {
    echo "== $*"
    "$@"
    echo "exit $?"
}
{
    try quern submit mill.yaml
    try quern submit mill.yaml --dry-run --stages 1
    echo "== what is built is left out"
    quern run mill.yaml -q --stages 1..3 2>/dev/null
    quern submit mill.yaml --dry-run -o jobs; ls jobs; grep '^#SBATCH' jobs/04-train-run.sbatch; cat jobs/submit.sh
    echo "== a part of it without what it needs"
    try quern submit mill.yaml --dry-run --stages 5
    try quern submit mill.yaml --dry-run --set executor.slurm.gang.nodes=2
    try quern submit mill.yaml --dry-run --set 'executor.slurm.partition=a b'
    quern run mill.yaml -q 2>/dev/null
    try quern submit mill.yaml --dry-run
} 2>&1 | sed "s|$PWD|HERE|g"
# Every script is a script, also where names are awkward (SC2016: a '$' in single quotes is meant). More tasks than MaxArraySize: several arrays.
mkdir "it's \$a folder%"
cp mill.yaml "it's \$a folder%/mill.yaml"
quern submit "it's \$a folder%/mill.yaml" --dry-run -o all -q --set executor.slurm.tasks=3000 --set executor.slurm.max_array=1001 --set corpus.parts=2999
for script in all/*; do bash -n "$script" || echo "$script is no script"; done
if command -v shellcheck >/dev/null; then shellcheck --shell=bash --exclude=SC2016 all/* | head -n 20; fi
ls all
grep -h -e --array -e --output -e '--task' all/0[123]-* | sed "s|$PWD|HERE|g"
grep -c afterok all/submit.sh
