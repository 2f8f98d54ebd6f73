# Kills a training run (nano, on tiny shards) at random moments, SIGKILL, and starts it again with another number of threads, until it is through: the model's
# folder, the last checkpoint and the hashes in the journal are those of a run that was left alone. Rounds go on until QUERN_KILLS kills, 50 where it is not set.
. "$QUERN_SOURCE/tests/tiny/trainer-lib.sh"
kills_wanted=${QUERN_KILLS-50}
mkdir models && cp "$QUERN_SOURCE/recipes/models/nano.yaml" models/
tiny_train_setup --set model=nano --set train.tokens=60K --set train.checkpoint.every=7 --set train.hash_every=5 --set train.ema.decay=0.99 --set train.rate.peak=0.003 \
    --set train.guard.rule=skip --set train.guard.deviations=6 --set train.guard.window=16
# The finished model, the last checkpoint and the manifest; not the journal and what is only for looking at.
fingerprint() { # FOLDER
    (cd "$1" && cat latest && find . checkpoints/"$(cat latest)" -maxdepth 1 -type f \( -name '*.safetensors' -o -name '*.json' \) ! -name provenance.json | sort | xargs sha256sum)
}
began=$EPOCHREALTIME
tiny_train whole -j 2 || exit 1
seconds=$(awk -v from="$began" -v to="$EPOCHREALTIME" 'BEGIN {print to - from}')
fingerprint whole >whole.fingerprint
kills=0
round=0
attempts=0
while [ $kills -lt "$kills_wanted" ]; do
    round=$((round + 1))
    rm -rf killed
    while :; do
        attempts=$((attempts + 1))
        [ $attempts -le $((kills_wanted * 20)) ] || { echo "$attempts starts and only $kills kills"; exit 1; }
        tiny_train_exec killed -j $((attempts % 3 + 1)) &
        pid=$!
        # From 20 ms on to what a whole run takes, seconds or, on a busy machine, minutes: while it starts, reads, trains, writes a checkpoint, finishes.
        sleep "$(awk -v r="$round" -v a="$attempts" -v s="$seconds" 'BEGIN {srand(r * 1000 + a); printf "%.3f", 0.02 + rand() * rand() * s}')"
        kill -KILL $pid 2>/dev/null
        wait $pid 2>/dev/null
        code=$?
        [ $code -ne 0 ] || break
        [ $code -eq 137 ] || { echo "round $round, start $attempts: exit $code"; cat killed.out; exit 1; }
        kills=$((kills + 1))
    done
    fingerprint killed >killed.fingerprint
    diff whole.fingerprint killed.fingerprint || { echo "round $round: other bytes after the kills"; exit 1; }
    quern-train verify killed --against whole >verified 2>&1 || { cat verified; exit 1; }
    [ $(find killed/checkpoints -maxdepth 1 -name '*.partial' | wc -l) -eq 0 ] || { echo "round $round: something half-written stayed"; exit 1; }
done
echo "$round rounds, $kills kills, $attempts starts: the same bytes"
