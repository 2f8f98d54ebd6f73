# Help of quern and its verbs; programs that are not there are not listed; quern X is quern-X.
. "$QUERN_SOURCE/tests/cli/orchestrate/mill.sh"
rm bin/quern-train
quern --help
echo; quern status --help
echo; quern corpus --version
quern eval plan --recipe mill.yaml
diff -u "$QUERN_SOURCE/docs/settings/recipe.md" <(quern --settings) && echo "the page of the settings is current"
