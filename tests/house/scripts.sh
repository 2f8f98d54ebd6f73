# Shell scripts parse; where shellcheck is installed, it finds nothing serious.
cd "$QUERN_SOURCE" || exit 4
failed=0
while read -r script; do
    bash -n "$script" || failed=1
    if command -v shellcheck >/dev/null 2>&1; then shellcheck -s bash -S error "$script" || failed=1; fi
done < <(grep -rlE '^#!/bin/(ba)?sh' --exclude='*.expected' base recipes bench tests slurm .ci 2>/dev/null; find tests -name '*.sh')
exit $failed
