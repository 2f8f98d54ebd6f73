# The law of folders: who may include whom (docs/design.md), and which third-party headers belong to which folder.
cd "$QUERN_SOURCE" || exit 4
failed=0
complain() { echo "$*"; failed=1; }

declare -A may=(
    [base]="base" [tokenizer]="base tokenizer" [corpus]="base corpus" [dedup]="base dedup" [shards]="base tokenizer shards"
    [train]="base shards tokenizer train" [orchestrate]="base orchestrate" [slurm]="base orchestrate slurm")
# A library's headers are included by its owners only; everybody else uses the owner's face.
declare -A owner=(
    [zstd.h]="base corpus" [xxhash.h]="base" [jansson.h]="base" [yaml.h]="base" [simdjson.h]="base" [archive.h]="corpus" [pcre2.h]="tokenizer"
    [archive_entry.h]="corpus" [arrow/api.h]="corpus" [arrow/io/interfaces.h]="corpus" [parquet/arrow/reader.h]="corpus" [isa-l/igzip_lib.h]="corpus" [brotli/decode.h]="corpus" [cld2/public/compact_lang_det.h]="corpus"
    [cublasLt.h]="train" [cudnn_frontend.h]="train")

while IFS=: read -r file _ line; do
    folder=${file%%/*}
    header=$(sed -E 's/^[^"<]*["<]([^">]+)[">].*/\1/' <<<"$line")
    other=${header%%/*}
    case $line in
        *'"'*)
            [[ $header == */* ]] || complain "$file: include '$header' by its path from the root"
            [[ -e $header ]] || complain "$file: '$header' is not in the tree"
            [[ " ${may[$folder]} " == *" $other "* ]] || complain "$file: $folder may not include '$header'" ;;
        *)
            [[ -n ${owner[$header]-} && " ${owner[$header]} " != *" $folder "* ]] && complain "$file: '$header' belongs to ${owner[$header]}" ;;
    esac
    # Evaluation alone may look into the tokenizer.
    [[ $folder == train && $other == tokenizer && $file != train/*eval* && $file != train/cmd_* ]] &&
        complain "$file: only evaluation and the programs of train/ may include the tokenizer"
done < <(grep -nE '^[[:space:]]*#[[:space:]]*include' -r base tokenizer corpus dedup shards train orchestrate slurm --include='*.c' --include='*.h' --include='*.cc' --include='*.cu' --include='*.cuh')
exit $failed
