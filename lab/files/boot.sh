#!/bin/sh
# Boot one host. It runs in the host's control group, the lab's network namespace and a mount namespace of its own,
# so the overlay vanishes with the host. Arguments: host directory, lower directories, machine name, hostname,
# then further options of systemd-nspawn.
set -eu
directory=$1 lower=$2 machine=$3 hostname=$4
shift 4
# Volatile: no disk flushes (nothing here outlives this machine), so packages install several times quicker. The kernel
# marks such a layer against use after a crash of the machine; a host that merely ended left it whole.
rm -rf "$directory/work/work/incompat"
mount -t overlay overlay "$directory/root" \
    -o "volatile,lowerdir=$lower,upperdir=$directory/upper,workdir=$directory/work"
# On a hybrid machine nspawn would take the old hierarchies; the host is to see version 2 alone, as on any Debian 13.
umount -R /sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 none /sys/fs/cgroup
# Its lock files would survive a kill; the host's directory is ours alone.
export SYSTEMD_NSPAWN_LOCK=0
# Kept in a unit, nspawn leaves a reboot to the unit and says so by its exit status.
while :; do
    status=0
    systemd-nspawn --quiet --boot --directory="$directory/root" --machine="$machine" --hostname="$hostname" \
        --register=no --keep-unit --network-bridge=br0 --resolv-conf=off --timezone=off --link-journal=no \
        --console=passive "$@" || status=$?
    [ "$status" = 133 ] || exit "$status"
done
