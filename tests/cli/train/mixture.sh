# The sources' weights over tokens: what the schedule and the order of the shards say of them, that a run stopped at any place goes on with the same samples, and that what comes
# later may be decided under way, but nothing of what was shown.
. "$QUERN_SOURCE/tests/tiny/trainer-lib.sh"
tiny_train_setup
pieces='train.mixture=[{from: 15K, weights: {lines: 0, texts: 3}}, {from: 25K, weights: {pages: 0.5}}]'
train() { # FOLDER OPTIONS
    tiny_train_run "$@"
    echo "$1: exit $?"
    grep -v '^train:' "$1.out"
}
model() { cat "$1"/model*.safetensors "$1"/checkpoints/"$(cat "$1/latest")"/optimizer*.safetensors | sha256sum; }

echo '--- schedule'
quern-train schedule $recipe --set "$pieces" | tail -n 4
quern-train schedule $recipe --set "$pieces" --json | grep -o '"mixture":.*}}\]'
quern-train schedule $recipe --set "$pieces" -o page.html
grep -o '<figcaption[^>]*>Weights[^<]*' page.html | sed 's/<[^>]*>//'

echo '--- order: sources among 256 samples of each piece'
for from in 0 520 850; do
    quern-shards order shards $recipe --set "$pieces" --from $from --count 256 | cut -f 3 | sort | uniq -c | tr '\n' ' '
    echo
done
quern-shards order shards $recipe --count 468 >still
quern-shards order shards $recipe --set "$pieces" --count 468 | cmp - still && echo 'as before up to 15K tokens'

echo '--- one go, in pieces, and with the later piece decided under way'
train whole -j 2 --set "$pieces"
train parts -j 1 --set "$pieces" --set train.tokens=12K
train parts -j 2 --set "$pieces" --set train.tokens=20K
train parts -j 1 --set "$pieces"
train later --set "${pieces%, \{from: 25K*}]" --set train.tokens=22K
train later --set "$pieces"
[ "$(model whole)" = "$(model parts)" ] && [ "$(model whole)" = "$(model later)" ] && echo 'the same model'
grep -o '"event":"[a-z]*"\|"mixture":[^]]*]' later/journal | grep -c mixture

echo '--- refused'
train parts --set train.tokens=50K
train parts --set "${pieces/15K/18K}" --set train.tokens=50K
train wrong --set 'train.mixture=[{from: 15K, weights: {line: 1}}]'
train wrong --set 'train.mixture=[{from: 15K, weights: {lines: many}}]'
train wrong --set 'train.mixture=[{from: 15K}]'
train wrong --set 'train.mixture=[{from: 15K, weights: {lines: 1}}, {from: 15K, weights: {lines: 2}}]'
train wrong --set 'train.mixture=[{from: 15K, weights: {lines: 0, pages: 0, texts: 0}}]'
