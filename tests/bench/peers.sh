#!/usr/bin/env bash
# Makes the layer with the tools that Muster is measured against, once, outside the checkout:
#   $MUSTER_CACHE/bench-peers   CFEngine from Debian and Salt from PyPI, to be mounted over base-bookworm
# A device that boots from both layers has everything before it is cut off from the outside.
set -euo pipefail

cache=${MUSTER_CACHE:-/var/cache/muster}
base=$cache/base-bookworm
layer=$cache/bench-peers
here=$(cd "$(dirname "$0")" && pwd)
mirror=${MUSTER_MIRROR:-http://deb.debian.org/debian}
salt=3007.13
# What Salt needs and its source package on PyPI does not name: requirements/base.txt and zeromq.txt of that version.
needs=(jinja2 jmespath msgpack pyyaml markupsafe requests certifi distro psutil packaging looseversion tornado aiohttp
    croniter setproctitle python-dateutil python-gnupg cryptography pyopenssl networkx pyzmq pycryptodomex)

say() { printf '%s\n' "bench: $*" >&2; }

stamp_now() { cat "$here/peers.sh" "$base.stamp" | sha256sum | cut -d' ' -f1; }

# inside ROOT COMMAND...: as an image builder runs a command on a root file system that is not booted.
inside() { chroot "$1" env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "${@:2}"; }

install_peers() {
    local root=$1
    cp /etc/resolv.conf "$root/etc/resolv.conf"
    cp -r /etc/ssl/certs/. "$root/etc/ssl/certs/"
    printf 'deb %s bookworm main\n' "$mirror" >"$root/tmp/sources.list"
    # The root file system's own list names a repository that only test devices reach.
    local apt=(apt-get -q -o Dir::Etc::sourcelist=/tmp/sources.list -o Acquire::http::Timeout=120)
    say "installing CFEngine from Debian"
    inside "$root" "${apt[@]}" update >/dev/null
    inside "$root" "${apt[@]}" -y --no-install-recommends install cfengine3 python3 python3-venv >/dev/null
    # As its manual's bootstrap does: the standard library and the package modules go where policy is read from.
    mkdir -p "$root/var/lib/cfengine3/inputs"
    cp -r "$root/usr/share/cfengine3/masterfiles/." "$root/var/lib/cfengine3/inputs/"
    systemctl --root="$root" --quiet mask cfengine3.service cf-execd.service cf-monitord.service cf-serverd.service
    say "installing Salt $salt from PyPI"
    inside "$root" python3 -m venv /opt/salt
    inside "$root" /opt/salt/bin/pip install --quiet --disable-pip-version-check "salt==$salt" "${needs[@]}"
    rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin "$root"/var/cache/apt/archives/*.deb "$root/tmp/sources.list"
    : >"$root/etc/resolv.conf"
}

main() {
    [ "$(id -u)" = 0 ] || { say "run this as root: chroot and mount need it"; exit 1; }
    if [ -d "$layer" ] && [ "$(cat "$layer.stamp" 2>/dev/null)" = "$(stamp_now)" ]; then return; fi
    work=$(mktemp -d "$cache/bench.XXXXXX")
    trap 'mountpoint -q "$work/root" && umount "$work/root"; rm -rf "$work"' EXIT
    mkdir "$work/upper" "$work/work" "$work/root"
    mount -t overlay overlay -o "lowerdir=$base,upperdir=$work/upper,workdir=$work/work" "$work/root"
    install_peers "$work/root"
    umount "$work/root"
    chmod 0755 "$work/upper"
    rm -rf "$layer" "$layer.stamp"
    mv "$work/upper" "$layer"
    stamp_now >"$layer.stamp"
    say "ready: $layer"
}

main "$@"
