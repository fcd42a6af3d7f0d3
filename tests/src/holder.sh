#!/bin/sh
# Holds one test network. Everything that a test starts lives in namespaces whose first process is the `cat`
# below, which ends when the test process ends in any way, SIGKILL included, because its input closes. The kernel
# then kills what runs inside and drops the links and mounts; what is left for this script is files and cgroups.
#
# Arguments: the run folder, the bridge's address with its prefix length, then the control group folders.
run=$1 address=$2
shift 2

# shellcheck disable=SC2016 # The inner shell expands its own environment.
RUN=$run ADDRESS=$address unshare --mount --pid --net --fork --kill-child --mount-proc --propagation private \
    sh -c '
        set -e
        # A private /run keeps network namespace names, machine locks and sockets off the host.
        mount -t tmpfs -o mode=0755 tmpfs /run
        mkdir /run/netns
        mount --bind "$RUN/hosts" /etc/hosts
        ip link set lo up
        ip link add br0 type bridge
        ip addr add "$ADDRESS" dev br0
        ip link set br0 up
        echo ready
        # Orphans become children of the first process: ignoring their end lets the kernel reap them.
        trap "" CHLD
        exec cat >/dev/null
    '

for group in "$@"; do
    # A group is empty only a moment after its last process was reaped.
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        [ -d "$group" ] || break
        find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.1
    done
done
rm -rf "$run"
