#!/usr/bin/env bash
# Installs what a make target needs on Debian 12, as root; anywhere else it says exactly what is missing.
#   deps.sh build|dashboard|deb|devices|test ...
# A second run finds everything in place and touches neither the network nor the package manager.
set -euo pipefail

cd "$(dirname "$0")/../.."
cache=${MUSTER_CACHE:?run this through make, which sets MUSTER_CACHE}
tools=$cache/tools
nextest=0.9.143
deny=0.20.2
# What Vite supports; Debian 12 itself has Node.js 18.
node_oldest=20.19.0
node_wanted=22
# The script behind https://rustup.rs.
rustup=https://static.rust-lang.org/rustup/rustup-init.sh

# package:command pairs; the command is how the need is judged on a system without dpkg.
declare -A packages=(
    [build]="build-essential:cc ca-certificates:update-ca-certificates curl:curl git:git"
    [dashboard]="nodejs:node npm:npm"
    [deb]="dpkg-dev:dpkg-shlibdeps"
    [devices]="debootstrap:debootstrap systemd-container:systemd-nspawn iproute2:ip nftables:nft strace:strace libfaketime:faketime
               python3:python3 gpg:gpg gpg-agent:gpg-agent gpgconf:gpgconf apt-utils:apt-ftparchive
               openssh-client:ssh-keygen util-linux:nsenter procps:sysctl"
    [test]="rpm:rpmbuild shellcheck:shellcheck sqlite3:sqlite3 chromium:chromium dbus-daemon:dbus-daemon python3-venv:python3 curl:curl"
)

export PATH=$tools/node/node_modules/.bin:$tools/bin:${HOME:-/root}/.cargo/bin:$PATH

say() { printf '%s\n' "deps: $*" >&2; }
fail() { say "$*"; exit 1; }
is_root() { [ "$(id -u)" = 0 ]; }

is_debian_12() {
    # shellcheck source=/dev/null
    (. /etc/os-release 2>/dev/null && [ "${ID:-}" = debian ] && [ "${VERSION_ID:-}" = 12 ])
}

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# A Node.js that came from elsewhere serves as well as Debian's.
satisfied() {
    local package=${1%%:*} program=${1##*:}
    case $package in
        nodejs | npm) command -v "$program" >/dev/null ;;
        *) if is_debian_12; then installed "$package"; else command -v "$program" >/dev/null; fi ;;
    esac
}

packages_for() {
    local missing=() group pair
    for group in "$@"; do
        for pair in ${packages[$group]}; do
            satisfied "$pair" || missing+=("$(if is_debian_12; then echo "${pair%%:*}"; else echo "${pair##*:}"; fi)")
        done
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    if ! is_debian_12; then
        fail "this is not Debian 12, so nothing is installed here. These programs are missing: ${missing[*]}"
    elif ! is_root; then
        fail "not root. Missing: run \`apt-get install --no-install-recommends ${missing[*]}\` as root"
    fi
    say "installing ${missing[*]}"
    mkdir -p "$cache/apt-archives/partial"
    local options=(-q -o DPkg::Lock::Timeout=300 -o "Dir::Cache::archives=$cache/apt-archives")
    apt-get "${options[@]}" update >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get "${options[@]}" -y --no-install-recommends install "${missing[@]}" >/dev/null
}

rust() {
    if ! command -v cargo >/dev/null; then
        is_root || fail "cargo is missing: install it from https://rustup.rs; the version is in rust-toolchain.toml"
        say "installing rustup from $rustup (Debian 12 has Rust 1.63, which is too old)"
        curl --proto '=https' --tlsv1.2 -sSf "$rustup" |
            sh -s -- -y -q --profile minimal --default-toolchain none --no-modify-path
    fi
    # The first use of cargo in the workspace fetches the toolchain that rust-toolchain.toml names.
    cargo --version >/dev/null
}

# cargo_tool SUBCOMMAND CRATE VERSION
cargo_tool() {
    cargo "$1" --version >/dev/null 2>&1 && return
    say "building $2 $3 into $tools (several minutes, once)"
    CARGO_TARGET_DIR=$cache/tools-target cargo install -q --locked --root "$tools" --version "$3" "$2"
}

recent_node() {
    local now
    now=$(node --version 2>/dev/null || echo v0)
    if printf '%s\n%s\n' "$node_oldest" "${now#v}" | sort -V -C; then return; fi
    say "Node.js ${now#v} is too old for the dashboard's build: installing $node_wanted from npm into $tools"
    npm install --silent --prefix "$tools/node" "node@$node_wanted"
    "$tools/node/node_modules/.bin/node" --version >/dev/null
}

# What holds the API against its document, as installers/dev/openapi pins it.
api_tools() {
    local pinned=installers/dev/openapi stamp=$tools/openapi/.muster-installed now
    now=$(cat "$pinned/package-lock.json" "$pinned/requirements.txt" | sha256sum)
    [ "$(cat "$stamp" 2>/dev/null)" != "$now" ] || return 0
    say "installing redocly and schemathesis into $tools"
    mkdir -p "$tools/openapi"
    cp "$pinned/package.json" "$pinned/package-lock.json" "$tools/openapi/"
    (cd "$tools/openapi" && npm ci --prefer-offline --no-audit --no-fund --silent)
    python3 -m venv --clear "$tools/schemathesis"
    "$tools/schemathesis/bin/pip" install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
        --requirement "$pinned/requirements.txt"
    printf '%s\n' "$now" >"$stamp"
}

# A booted device takes about eight inotify instances and the kernel allows root 128 in all.
inotify() {
    local file=/proc/sys/fs/inotify/max_user_instances
    [ "$(cat $file)" -lt 1024 ] || return 0
    is_root || fail "run \`sysctl fs.inotify.max_user_instances=8192\` as root: devices need more than $(cat $file)"
    say "raising fs.inotify.max_user_instances to 8192 until the next boot"
    sysctl -q -w fs.inotify.max_user_instances=8192
}

packages_for "$@"
for group in "$@"; do
    case $group in
        build) rust ;;
        dashboard) recent_node ;;
        devices) inotify ;;
        test)
            cargo_tool nextest cargo-nextest "$nextest"
            cargo_tool deny cargo-deny "$deny"
            api_tools
            ;;
        deb) ;;
        *) fail "no such group: $group" ;;
    esac
done
