# Hostile inputs (tests/tiny/bombs.py), one after the other: time, memory and what each document came to. The table behind the figure is the subject.
#
#   QUERN_BOMBS, QUERN_BOMBS_MIB   as in tests/long/bombs.sh
describe 'Hostile inputs' 'made at run time: a gigabyte of zeros in 33 KB, archives within archives, lengths that lie, texts and pages that are slow to look at'
mkdir -p bin
printf '#!/bin/sh\npython3 "%s/tests/tiny/bombs.py" "$@" >table || exit\necho "{\\"inputs\\": $(grep -c " MiB " table)}" >count.json\n' "$source_folder" >bin/bombs
chmod +x bin/bombs
QUERN_RUNS=1 PATH="$PWD/bin:$PATH" figure bombs.all 'all of them, all rules' inputs -j 1 --amount-of count.json:inputs -- bombs ${QUERN_BOMBS-${quick:+lengths}}
{
    note '`bombs` is `tests/tiny/bombs.py`. The memory above is of that script, which holds the inputs; that of `quern-corpus`, which is what counts, is below: its peak beside the size of the'
    note 'file, its time, and what the documents came to, the good one beside the bomb among them. Texts and pages come in two sizes, so that what is not linear is seen.'
    note; sed 's/^/    /' table >>notes; note
}
