# The printed job scripts on a real Slurm of this machine's own: a controller and two nodes as processes, without systemd or cgroups. A whole run over
# arrays gives the bytes of the local one; a job that is told that its time ends saves, is queued again and goes on; a failed task takes what
# waits for it along. Needs root and Debian's slurmctld, slurmd, slurm-client, munge.
for program in slurmctld slurmd munged sbatch; do
    PATH=$PATH:/usr/sbin command -v $program >/dev/null || { echo "SKIP: $program is not installed"; exit 0; }
done
[ "$(id -u)" -eq 0 ] || { echo "SKIP: only root can start a Slurm of its own"; exit 0; }
PATH=$PATH:/usr/sbin
here=$PWD
mkdir -p slurm/state slurm/spool/n0 slurm/spool/n1
stop() {
    for name in slurmd-n0 slurmd-n1 slurmctld munged; do
        [ -f "$here/slurm/$name.pid" ] && kill "$(cat "$here/slurm/$name.pid")" 2>/dev/null
    done
}
trap stop EXIT
fail() { echo "$*"; exit 1; }

head -c 1024 /dev/urandom >slurm/munge.key
chmod 400 slurm/munge.key
munged --force --socket="$here/slurm/munge.sock" --key-file="$here/slurm/munge.key" --pid-file="$here/slurm/munged.pid" \
    --seed-file="$here/slurm/munge.seed" --log-file="$here/slurm/munged.log" || fail "munged does not start"
cat >slurm/slurm.conf <<CONF
ClusterName=test
SlurmctldHost=$(hostname)(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$here/slurm/munge.sock,cred_expire=5
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
SlurmdParameters=config_overrides
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
StateSaveLocation=$here/slurm/state
SlurmdSpoolDir=$here/slurm/spool/%n
SlurmctldPidFile=$here/slurm/slurmctld.pid
SlurmdPidFile=$here/slurm/slurmd-%n.pid
SlurmctldLogFile=$here/slurm/slurmctld.log
SlurmdLogFile=$here/slurm/slurmd-%n.log
SlurmctldPort=16817
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
MinJobAge=3600
SchedulerParameters=batch_sched_delay=0,sched_interval=2
DefMemPerCPU=100
NodeName=n[0-1] NodeHostname=$(hostname) NodeAddr=127.0.0.1 Port=[17000-17001] CPUs=4 RealMemory=8000 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE DefaultTime=10 State=UP
CONF
export SLURM_CONF=$here/slurm/slurm.conf
slurmctld -c || fail "slurmctld does not start"
slurmd -N n0 && slurmd -N n1 || fail "slurmd does not start"
for _ in $(seq 50); do [ "$(sinfo -h -t idle -o %D 2>/dev/null)" = 2 ] && break; sleep 0.2; done

. "$QUERN_SOURCE/tests/cli/orchestrate/mill.sh"
for name in quern quern-submit; do ln -s "$QUERN_BUILD/bin/$name" bin/$name; done
cat >>mill.yaml <<'YAML'
corpus:
  parts: 12
executor:
  slurm:
    time: "5"
    tasks: 5
    max_array: 3
    cpus_per_task: 1
    memory: 50MiB
    signal_seconds: 30
YAML
# submit NAME OPTIONS...: the jobs of a run in the folder NAME, until none is left.
submit() {
    local name=$1
    shift
    quern submit mill.yaml --dry-run -q -o "$name-jobs" --set dir="$name" "$@" || fail "$name: no scripts"
    bash "$name-jobs/submit.sh" >"$name-ids" || fail "$name: not submitted"
    for _ in $(seq 120); do [ -z "$(squeue -h)" ] && return; sleep 1; done
    squeue
    fail "$name: jobs are left"
}
state() { scontrol show job "$1" | sed -n 's/.*JobState=\([A-Z]*\).*/\1/p'; }

quern run mill.yaml -q --set dir=calm 2>/dev/null || fail "the local run failed"
submit whole
for stage in corpus dedup tokenizer shards train eval; do
    diff -r -x provenance.json calm/$stage whole/$stage || fail "$stage: other bytes"
done
[ -s whole/report.html ] || fail "no report"
quern submit mill.yaml --dry-run --set dir=whole 2>&1 | grep -q 'nothing to submit' || fail "something is left to submit"

# Slurm warns up to a minute early, so a limit of one minute and a warning 40 s before its end comes within the first 20 s.
submit slow --stages 1 --set corpus.parts=4 --set corpus.pause_ms=7000 --set executor.slurm.tasks=1 --set executor.slurm.time=1 \
    --set executor.slurm.signal_seconds=40
grep -q '"exit":75' slow/journal || fail "the job was not told to save"
quern verify mill.yaml --set dir=slow --set corpus.parts=4 | grep -q '^1 whole, 0 damaged' || fail "the job did not go on"

submit bad --stages 1..2 --set corpus.exit=4 --set executor.slurm.tasks=2
last=$(sed 's/.* //' bad-ids)
[ "$(state "$last")" = CANCELLED ] || fail "what waited for a failed task is $(state "$last")"
echo "a whole run, a save and a failure on Slurm $(sbatch --version)"
