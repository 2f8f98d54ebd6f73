# On a terminal a run shows its lines above the bar, and takes them away at its end; elsewhere there is not one byte of them.
command -v script >/dev/null || { echo "SKIP: there is no script(1) to make a terminal"; exit 0; }
. "$QUERN_SOURCE/tests/tiny/trainer-lib.sh"
tiny_train_setup --set train.tokens=200K
TERM=xterm LC_ALL=C.UTF-8 script -qec "stty rows 24 columns 100; quern-train run $recipe --shards shards -t tokenizer -o model -j 1" /dev/null </dev/null >seen
lines=$(tr '\r' '\n' <seen)
for part in '^step [0-9]* of [0-9]*   loss [0-9.]*  [▁▂▃▄▅▆▇█]*$' '^rate [0-9.e-]*   batch 16   gradient norm [0-9.]*   balance loss ' ' tokens/s   [0-9.]* GFLOP/s, [0-9]*% of the measured peak$' \
    '^load violation [0-9.]* (layer 1: [0-9.]*), over [0-9.]* K tokens [0-9.]* (layer 1: [0-9.]*)$' 'train  .* 200 K tokens'; do
    grep -q -e "$part" <<<"$lines" && echo "seen: $part"
done
# As many lines are wiped as were drawn: behind the last picture come five, then the summary alone.
tail -c 400 seen | grep -ao $'\033\\[A' | tail -n 4 | wc -l
tail -n 1 seen | grep -ao 'train: .* parameters'
quern-train run $recipe --shards shards -t tokenizer -o other -j 1 >seen 2>&1 </dev/null
grep -c 'measured peak' seen
