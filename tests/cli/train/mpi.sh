# Ranks that are processes: the cases of tests/train/comm_cases.c through MPI.
[ -x "$QUERN_BUILD/tests/comm_processes" ] && command -v mpirun >/dev/null || { echo "SKIP: no mpirun"; exit 0; }
"$QUERN_BUILD/tests/comm_processes" | grep -q 'no MPI' && { echo "SKIP: this build has no MPI"; exit 0; }
# Any number of ranks on any machine, as root too, without a network.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_btl=self,vader OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_mpi_yield_when_idle=1
for ranks in 1 2 3 4; do
    timeout 120 mpirun -n $ranks "$QUERN_BUILD/tests/comm_processes" 2>&1
done
