# Ranks that are processes: the cases of tests/train/comm_cases.c through MPI.
. "$QUERN_SOURCE/tests/tiny/trainer-lib.sh"
tiny_mpi_setup
for ranks in 1 2 3 4; do
    timeout 120 mpirun -n $ranks "$QUERN_BUILD/tests/comm_processes" 2>&1
done
