# A guard that skips samples brings the end of the data before that of the run: it is told at the skip, and at the end the state is saved.
. "$QUERN_SOURCE/tests/tiny/trainer-lib.sh"
tiny_train_setup --set inputs.0.epochs_max=0.1 --set inputs.1.epochs_max=0.1 --set inputs.2.epochs_max=0.1 --set train.rate.segments=[] --set train.batch.sequences=4 --set train.batch.from=4 \
    --set train.guard.rule=skip --set train.guard.norm_max=3 --set train.guard.skips_max=1000
said() { tiny_train_said "$1" | sed -E '/twice: samples/d; s/^([0-9:]+ )?quern-train: //'; }
# So many sequences are there; a run of all of them.
tiny_train_run all --set train.tokens=40K && echo "there are enough"
there=$(sed -E 's/.*after ([0-9]+).*/\1/' all.out)
tiny_train_run all --set train.tokens=$((there / 4 * 4 * 32))
echo "exit $?"
said all | sed -E 's/at [0-9]+ tokens/at N tokens/'
stands=$(sed -E -n 's/.*saved at ([0-9]+) tokens.*/\1/p' all.out)
tiny_train all --set train.tokens="$stands" && tail -n 1 all/journal | grep -o '"event":"finished"'
