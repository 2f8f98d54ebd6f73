# A disk that is really full: the tiny pipeline in a file system of its own, of many sizes. Exit 4 that names no space, no result that is damaged, and with more room the same command goes
# on to the bytes of a run that was never disturbed. Needs root and a mount namespace. Sizes: QUERN_DISK_STEPS, 24 where it is not set.
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
for step in $(seq "$steps"); do
    size=$((input + 24 + (needed - input) * step / steps))
    mount -t tmpfs -o size=${size}k none disk || exit 1
    cp -r whole/input whole/recipe.yaml disk
    quern run disk/recipe.yaml -q >log 2>&1
    code=$?
    case $code in
        0) ;;
        4) full=$((full + 1)); grep -q 'no space left on device' log || { echo "$size KiB: says nothing of the disk"; cat log; exit 1; } ;;
        *) echo "$size KiB: exit $code"; cat log; exit 1 ;;
    esac
    quern verify disk/recipe.yaml >log 2>&1 || { echo "$size KiB:"; cat log; exit 1; }
    mount -o remount,size=1g disk || exit 1
    quern run disk/recipe.yaml -q >log 2>&1 || { echo "$size KiB, with room again:"; cat log; exit 1; }
    tiny_fingerprint disk | diff whole.sums - || { echo "$size KiB: other bytes"; exit 1; }
    umount disk
done
[ "$full" -gt $((steps / 2)) ] || { echo "only $full of $steps disks were full"; exit 1; }
echo "$steps sizes, $full full disks: the same bytes"
