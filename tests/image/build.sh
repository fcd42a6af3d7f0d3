#!/usr/bin/env bash
# Makes what test devices boot from and install from, once, outside the checkout:
#   $MUSTER_CACHE/base-bookworm   the Debian root file system below every device's overlay
#   $MUSTER_CACHE/apt/debian      a signed repository with the few Debian packages that tests install
#   $MUSTER_CACHE/apt/corp        a company's own signed repository, with two versions of one package
# A device reaches these two repositories and nothing else: no test depends on the outside.
set -euo pipefail

cache=${MUSTER_CACHE:-/var/cache/muster}
base=$cache/base-bookworm
apt=$cache/apt
here=$(cd "$(dirname "$0")" && pwd)
mirror=${MUSTER_MIRROR:-http://deb.debian.org/debian}
# The rig resolves this name to the server's side of each test network.
packages_url=http://packages.demo.example:8080

base_packages=systemd,systemd-sysv,sudo,dbus,libpam-systemd,iproute2,nftables,procps,ca-certificates,openssh-server,cron,apt-utils
pool_packages=(nginx-light curl jq tree chrony hello telnet cloud-init dconf-cli locales network-manager wpasupplicant
               dnf rpm createrepo-c gpg gpg-agent)

say() { printf '%s\n' "image: $*" >&2; }

stamp_now() { sha256sum "$here/build.sh" | cut -d' ' -f1; }

fresh() { [ -d "$base" ] && [ -d "$apt" ] && [ "$(cat "$base.stamp" 2>/dev/null)" = "$(stamp_now)" ]; }

# make_key NAME FOLDER: a signing key without a passphrase, and its public half as NAME.asc.
make_key() {
    local name=$1 folder=$2
    install -d -m 0700 "$folder/gnupg-$name"
    gpg --homedir "$folder/gnupg-$name" --batch --quiet --passphrase '' \
        --quick-generate-key "Muster test repository $name" ed25519 sign never
    gpg --homedir "$folder/gnupg-$name" --batch --armor --export >"$folder/$name.asc"
}

# Everything that differs between two machines, or that reaches outside, goes.
neutralise() {
    local root=$1
    : >"$root/etc/machine-id"
    rm -f "$root/var/lib/dbus/machine-id" "$root"/etc/ssh/ssh_host_* "$root/etc/hostname"
    : >"$root/etc/resolv.conf"
    rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin
    # The nightly apt jobs would take the package lock in the middle of a test.
    systemctl --root="$root" --quiet mask apt-daily.timer apt-daily-upgrade.timer
    install -D -m 0644 "$2/debian.asc" "$root/etc/apt/keyrings/debian-test.asc"
    printf 'deb [signed-by=/etc/apt/keyrings/debian-test.asc] %s/debian bookworm main\n' "$packages_url" \
        >"$root/etc/apt/sources.list"
    printf 'Acquire::Retries "0";\nAcquire::http::Timeout "10";\n' >"$root/etc/apt/apt.conf.d/80test-device"
}

build_base() {
    local work=$1
    say "debootstrap bookworm (about 90 s, once)"
    mkdir -p "$cache/debootstrap"
    debootstrap --variant=minbase --cache-dir="$cache/debootstrap" --include="$base_packages" \
        bookworm "$work/root" "$mirror" >"$work/debootstrap.log" 2>&1 ||
        { tail -n 20 "$work/debootstrap.log" >&2; return 1; }
    say "fetching ${pool_packages[*]} with what they need"
    chroot "$work/root" apt-get -q update >"$work/apt.log"
    chroot "$work/root" apt-get -q -y --no-install-recommends --download-only install "${pool_packages[@]}" >>"$work/apt.log"
    mkdir -p "$work/apt/debian/pool"
    mv "$work"/root/var/cache/apt/archives/*.deb "$work/apt/debian/pool/"
    neutralise "$work/root" "$work/apt"
}

# make_hello VERSION POOL: a package whose only content says its version.
make_hello() {
    local version=$1 pool=$2 tree
    tree=$(mktemp -d)
    install -d -m 0755 "$tree" "$tree/DEBIAN" "$tree/usr/share/muster-hello"
    printf '%s\n' "$version" >"$tree/usr/share/muster-hello/version"
    cat >"$tree/DEBIAN/control" <<CONTROL
Package: muster-hello
Version: $version
Architecture: all
Maintainer: Muster tests <tests@demo.example>
Section: misc
Priority: optional
Description: package with nothing in it but its version
CONTROL
    dpkg-deb --root-owner-group --build "$tree" "$pool/muster-hello_${version}_all.deb" >/dev/null
    rm -rf "$tree"
}

# make_repository FOLDER KEYNAME SUITE: indexes and signs FOLDER/pool.
make_repository() {
    local folder=$1 key=$2 suite=$3 dist=$1/dists/$3 keys
    keys=$(dirname "$folder")/gnupg-$key
    mkdir -p "$dist/main/binary-amd64"
    (cd "$folder" && apt-ftparchive packages pool >"dists/$suite/main/binary-amd64/Packages")
    gzip -9kn "$dist/main/binary-amd64/Packages"
    apt-ftparchive -o "APT::FTPArchive::Release::Suite=$suite" -o "APT::FTPArchive::Release::Codename=$suite" \
        -o APT::FTPArchive::Release::Components=main -o APT::FTPArchive::Release::Architectures=amd64 \
        release "$dist" >"$dist/Release.new"
    mv "$dist/Release.new" "$dist/Release"
    gpg --homedir "$keys" --batch --yes --clearsign --output "$dist/InRelease" "$dist/Release"
    gpg --homedir "$keys" --batch --yes --armor --detach-sign --output "$dist/Release.gpg" "$dist/Release"
}

main() {
    [ "$(id -u)" = 0 ] || { say "run this as root: debootstrap and chroot need it"; exit 1; }
    mkdir -p "$cache"
    # Two builds at once would fight over the rename; running devices hold a shared lock on the same file.
    exec 9>"$cache/base.lock"
    if fresh; then return; fi
    flock 9
    if fresh; then return; fi
    work=$(mktemp -d "$cache/image.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    mkdir -p "$work/apt/corp/pool"
    make_key debian "$work/apt"
    make_key corp "$work/apt"
    build_base "$work"
    make_hello 1.0 "$work/apt/corp/pool"
    make_hello 1.1 "$work/apt/corp/pool"
    make_repository "$work/apt/debian" debian bookworm
    make_repository "$work/apt/corp" corp stable
    gpgconf --homedir "$work/apt/gnupg-debian" --kill gpg-agent
    gpgconf --homedir "$work/apt/gnupg-corp" --kill gpg-agent
    rm -rf "$base" "$apt" "$base.stamp"
    chmod 0755 "$work/root"
    mv "$work/apt" "$apt"
    mv "$work/root" "$base"
    stamp_now >"$base.stamp"
    say "ready: $base, $apt"
}

main "$@"
