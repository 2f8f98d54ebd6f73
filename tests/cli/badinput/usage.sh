# Every program and verb: without arguments, with an option and a verb that it does not know (the nearest is named), with numbers out of range, with inputs that are not there.
. "$QUERN_SOURCE/tests/tiny/badinput-lib.sh"
verbs() { "$1" --help | sed -n '/^Verbs/,/^$/p' | awk '/^  [a-z]/ {print $1}'; }
programs="quern quern-corpus quern-dedup quern-tokenizer quern-shards quern-train quern-eval"
echo "== without a verb: the help on standard error, exit 2"
for program in $programs; do
    $program 2>help >out
    echo "$program: exit $?, $(grep -c '^Usage' help) usage, $(wc -c <out) bytes on standard output, $(tail -n 1 help)"
done
echo "== wrong words"
for program in $programs; do
    refused 2 $program --hlep
    refused 2 $program reprot
    refused 2 $program ''
done
echo "== every verb: an unknown option, an option without its value, no arguments; only what is not refused is printed"
for program in $programs; do
    for verb in $(verbs $program); do
        refused 2 $program $verb --helpp | grep -v "^$program $verb: unknown option '--helpp'; did you mean '--help'?$"
        refused 2 $program $verb --qiet | grep -v "^$program $verb: unknown option '--qiet'; did you mean '--quiet'?$"
        refused 2 $program $verb -Z | grep -v "^$program $verb: unknown option '-Z'; --help lists them$"
        refused 2 $program $verb -o | grep -v "^$program $verb: \(unknown option '-o'; --help lists them\|option '-o' needs a value: .*\)$"
        case "$program $verb" in
            *' plan'|'quern-corpus extract'|'quern-train ops') ;; # do something without arguments
            *) refused 2 $program $verb | grep NOT ;;
        esac
    done
done
refused 2 quern-submit
refused 2 quern-submit nowhere.yaml
refused 2 quern-submit nowhere.yaml --dry-rn
echo "== what is not there"
for command in 'corpus plan' 'corpus cat' 'corpus extract' 'corpus check' 'corpus report' 'dedup plan' 'dedup pairs' 'dedup report' 'tokenizer plan' \
    'tokenizer report' 'tokenizer bench -t nowhere' 'tokenizer encode -t nowhere' 'shards info' 'shards stats' 'shards cat' 'shards verify' \
    'shards order' 'shards trace' 'shards report' 'train verify' 'train report' 'eval report' 'eval bpb --model nowhere'; do
    refused 3 quern-$command nowhere
done
refused 2 quern-train plan --recipe nowhere
refused 2 quern-train bench --model nowhere
refused 3 quern-eval generate --model nowhere --prompt x
for verb in run status verify; do refused 2 quern $verb nowhere; done
echo "== numbers and tasks"
echo '{"text": "words"}' >a.jsonl
for value in 100000 -1 x 1.5 99999999999999999999; do refused 2 quern-corpus build a.jsonl -o out -j $value; done
for value in 3/2 2/2 1/0 x 1 -1/2 0/9999999 1/2/3; do refused 2 quern-corpus build a.jsonl -o out --task=$value; done
for value in x =1 corpus corpus.part_bytes=1XB corpus.part_bytes=-5 corpus.held_out=nan corpus.held_out=1e999999 seed=99999999999999999999 \
    corpus.gopher=3 corpus.gopher.enabled=maybe inputs=5 inputs.7.name=x; do
    refused 2 quern-corpus build a.jsonl -o out --set $value
done
refused 2 quern-corpus build a.jsonl -o ''
refused 2 quern-corpus build a.jsonl -o out --force=yes
refused 2 quern-corpus build - -o out
ls
