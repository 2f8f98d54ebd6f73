# Help, version and settings of quern-corpus.
quern-corpus --help
quern-corpus build --help
quern-corpus --settings | diff - "$QUERN_SOURCE/docs/settings/corpus.md" && echo "settings: as in docs/settings"
quern-corpus bild; echo "exit $?"
