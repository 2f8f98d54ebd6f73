# The pages of docs/settings/ are what the programs' own tables print.
cd "$QUERN_SOURCE" || exit 4
failed=0
for program in "$QUERN_BUILD"/bin/quern-*; do
    page=$("$program" --settings 2>/dev/null) || continue
    section=$(sed -n 's/^# .*`\([a-z]*\)`.*/\1/p;q' <<<"$page")
    [ -n "$section" ] || { echo "$(basename "$program"): the page names no section"; failed=1; continue; }
    diff -u "docs/settings/$section.md" - <<<"$page" || { echo "docs/settings/$section.md is not current: run $(basename "$program") --settings"; failed=1; }
done
exit $failed
