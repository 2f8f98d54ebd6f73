# A scratch mill for the scripts beside this one: the fake programs in bin/ under the stages' names, a recipe, and what makes output the same
# everywhere. To be sourced; as a test of its own it only looks at the mill.
mkdir -p bin
for stage in corpus dedup tokenizer shards train eval; do ln -sf "$QUERN_BUILD/tests/fake_stage" "bin/quern-$stage"; done
export QUERN_LIBEXEC=$PWD/bin
cat >mill.yaml <<'YAML'
name: mill
dir: run
inputs:
  - name: grain
    path: grain.txt
YAML
# Keys, times and process numbers are put out of sight; keys by the order in which they are met, so that equal ones stay equal.
steady() {
    sed -E 's/[0-9]+(\.[0-9]+)? (ms|s|m|h)\b( [0-9]+ s)?/TIME/g; s/process [0-9]+/process N/g' |
        awk 'BEGIN { digit = "[0-9a-f]"; key = digit digit digit digit; key = key key key }
            {
                while (match($0, key)) {
                    met = substr($0, RSTART, 12)
                    if (!(met in names)) names[met] = "KEY" ++count
                    $0 = substr($0, 1, RSTART - 1) names[met] substr($0, RSTART + 12)
                }
                print
            }'
}
[ "${BASH_SOURCE[0]}" = "$0" ] && ls bin
true
