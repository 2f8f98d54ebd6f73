# A disk that is really full: the tiny pipeline in a file system of its own, of many sizes. Exit 4 that names no space (a training that will not fit is refused before it begins), no result
# that is damaged, and with more room the same command goes on to the bytes of a run that was never disturbed. So does a training whose disk others fill while it is under way. Needs root and a mount namespace. Sizes: QUERN_DISK_STEPS, 24 where it is not set.
if [ -z "${QUERN_OWN_MOUNTS-}" ]; then
    [ "$(id -u)" -eq 0 ] && unshare -m true 2>/dev/null || { echo "SKIP: only root can mount a file system of its own"; exit 0; }
    QUERN_OWN_MOUNTS=1 exec unshare -m bash "$0" # what is mounted there goes with the last process
fi
. "$QUERN_SOURCE/tests/tiny/pipeline-lib.sh"
tiny_setup whole
quern run whole/recipe.yaml -q >log 2>&1 || { cat log; exit 1; }
tiny_fingerprint whole >whole.sums
needed=$(du -sk whole | cut -f 1)
input=$(du -sk whole/input | cut -f 1)
mkdir disk
mount -t tmpfs -o size=1m none disk || { echo "SKIP: a tmpfs cannot be mounted here"; exit 0; }
umount disk
steps=${QUERN_DISK_STEPS-24}
full=0
refused=0
went_on() { # WHEN: whole as far as it came, and with room again it ends with the same bytes
    quern verify disk/recipe.yaml >log 2>&1 || { echo "$1:"; cat log; exit 1; }
    mount -o remount,size=1g disk || exit 1
    quern run disk/recipe.yaml -q >log 2>&1 || { echo "$1, with room again:"; cat log; exit 1; }
    tiny_fingerprint disk | diff whole.sums - || { echo "$1: other bytes"; exit 1; }
    umount disk
}
for step in $(seq "$steps"); do
    size=$((input + 24 + (needed - input) * step / steps))
    mount -t tmpfs -o size=${size}k none disk || exit 1
    cp -r whole/input whole/recipe.yaml disk
    quern run disk/recipe.yaml -q >log 2>&1
    code=$?
    case $code in
        0) ;;
        4)
            if grep -q 'the run needs .* more where .* is free' log; then
                refused=$((refused + 1))
            else
                grep -q 'no space left on device' log || { echo "$size KiB: says nothing of the disk"; cat log; exit 1; }
            fi
            full=$((full + 1))
            ;;
        *) echo "$size KiB: exit $code"; cat log; exit 1 ;;
    esac
    went_on "$size KiB"
done
[ "$full" -gt $((steps / 2)) ] || { echo "only $full of $steps disks were full"; exit 1; }
[ "$refused" -gt 0 ] && [ "$refused" -lt "$full" ] || { echo "of $full full disks, $refused were refused before the training"; exit 1; }

# Enough room at the beginning of the training, and none once it has taken a step.
for try in 1 2 3 4 5; do
    mount -t tmpfs -o size=16m none disk || exit 1
    cp -r whole/input whole/recipe.yaml disk
    quern run disk/recipe.yaml -q >log 2>&1 &
    pid=$!
    until compgen -G 'disk/run/train/*/metrics.jsonl' >/dev/null; do kill -0 $pid 2>/dev/null || break; done
    cat /dev/zero >disk/filler 2>/dev/null
    wait $pid
    code=$?
    [ $code -ne 0 ] && break
    umount disk # it had ended before the disk was full
done
[ $code -eq 4 ] && grep -q 'no space left on device' log || { echo "filled while training: exit $code"; cat log; exit 1; }
grep -q 'train' log || { echo "filled, but not while training:"; cat log; exit 1; }
rm disk/filler
went_on "filled while training"
echo "$steps sizes, $full full disks, $refused refused before the training, one filled in it: the same bytes"
