#!/usr/bin/env bash
# Builds muster-agent and muster-server as .deb packages in $MUSTER_CACHE/deb, from the trees beside this script.
# The unpacked trees stay there too: tests run the very files that ship.
#   MUSTER_PROFILE=dev builds from unoptimised binaries, for work on the packages themselves.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cache=${MUSTER_CACHE:?run this through make, which sets MUSTER_CACHE}
target=${CARGO_TARGET_DIR:-$root/target}
profile=${MUSTER_PROFILE:-release}
out=$cache/deb
# The agent has a release profile of its own, for size.
agent_profile=$([ "$profile" = release ] && echo agent || echo "$profile")
# Packages from the same commit are the same bytes. As SOURCE_DATE_EPOCH it is for dpkg-deb alone: libraries in C watch that
# and would be compiled anew for every commit.
epoch=$(git -C "$root" log -1 --format=%ct)

# Where cargo leaves what it built with a profile.
built() { echo "$target/$([ "$1" = dev ] && echo debug || echo "$1")"; }

say() { printf '%s\n' "deb: $*" >&2; }

compile() {
    cd "$root"
    say "compiling (profile $profile)"
    # The agent on its own: built together with the server it would carry the server's choice of features. With frame pointers, by which
    # it can be profiled where it runs, the tables for that are short, and its libraries in C need none: a twentieth of the file.
    local rust=${RUSTFLAGS:-} c=${CFLAGS:-}
    if [ "$profile" != dev ]; then
        rust="$rust -C force-frame-pointers=yes"
        c="$c -fno-asynchronous-unwind-tables"
    fi
    MUSTER_BUILT=$epoch RUSTFLAGS=$rust CFLAGS=$c cargo build --quiet --locked --profile "$agent_profile" -p muster-agent \
        --message-format json-render-diagnostics >"$out/agent.json"
    cargo build --quiet --locked --profile "$profile" -p muster-server -p muster
}

# The packages whose shared libraries the binaries link, with versions, as dpkg knows them.
shared_libraries() {
    local empty
    empty=$(mktemp -d)
    mkdir "$empty/debian"
    : >"$empty/debian/control"
    (cd "$empty" && dpkg-shlibdeps --warnings=0 -O "$@") | sed 's/^shlibs:Depends=//'
    rm -rf "$empty"
}

# The folder where the agent's build left its manual pages and completions.
agent_share() {
    sed -n 's|.*"reason":"build-script-executed".*/agent/daemon#.*"out_dir":"\([^"]*\)".*|\1/share|p' "$out/agent.json"
}

# share PACKAGE FOLDER BINARIES: manual pages, compressed, and completions into the package's /usr/share.
share() {
    local package=$1 share=$2 binaries=$3
    install -d "$share"
    case $package in
        muster-agent) cp -r "$(agent_share)/." "$share" ;;
        muster-server)
            "$binaries/muster-server" manuals "$share"
            "$binaries/muster" manuals "$share"
            ;;
    esac
    gzip -9n "$share"/man/man1/*.1
}

# repository FOLDER: the agent's package as an apt repository, which the server signs for whoever asks.
repository() {
    local folder=$1 index
    index=$folder/dists/stable/main/binary-$(dpkg --print-architecture)
    install -d "$folder/pool" "$index"
    cp "$out"/muster-agent_*.deb "$folder/pool/"
    (cd "$folder" && dpkg-scanpackages pool 2>/dev/null) >"$index/Packages"
}

# pack PACKAGE TREE FOLDER BINARY...
pack() {
    local package=$1 tree=$2 binaries=$3 version size shlibs stage
    shift 3
    stage=$out/$package
    version=$(cd "$root" && cargo pkgid --quiet -p "$package" | sed 's/.*[@#]//')
    rm -rf "$stage"
    cp -r "$here/$tree" "$stage"
    install -d "$stage/usr/bin" "$stage/usr/share/doc/$package"
    (cd "$binaries" && install -m 0755 "$@" "$stage/usr/bin/")
    share "$package" "$stage/usr/share" "$binaries"
    [ "$package" != muster-server ] || repository "$stage/usr/share/muster-server/apt"
    install -m 0644 "$root/LICENSE" "$stage/usr/share/doc/$package/copyright"
    # A checkout's umask is nobody's business on a device.
    find "$stage" -type d -exec chmod 0755 {} +
    # The join file that an admin puts there holds a token, whatever their umask.
    [ ! -d "$stage/etc/muster" ] || chmod 0700 "$stage/etc/muster"
    find "$stage" -path "$stage/usr/bin" -prune -o -type f -exec chmod 0644 {} +
    find "$stage/DEBIAN" -name 'p*' -exec chmod 0755 {} +
    size=$(du -k -s --apparent-size --exclude=DEBIAN "$stage" | cut -f1)
    shlibs=$(shared_libraries "$stage"/usr/bin/*)
    sed -i -e "s/@VERSION@/$version/; s/@SIZE@/$size/; s/@SHLIBS@/$shlibs/; s/@ARCH@/$(dpkg --print-architecture)/" \
        "$stage/DEBIAN/control"
    (cd "$stage" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | LC_ALL=C sort -z | xargs -0 md5sum) \
        >"$stage.md5sums"
    mv "$stage.md5sums" "$stage/DEBIAN/md5sums"
    chmod 0644 "$stage/DEBIAN/md5sums"
    rm -f "$out/$package"_*.deb
    # Packages for a try-out are not worth the time that xz takes over unoptimised binaries.
    SOURCE_DATE_EPOCH=$epoch dpkg-deb --root-owner-group "-Z$([ "$profile" = dev ] && echo none || echo xz)" --build "$stage" "$out" >/dev/null
    say "$(echo "$out/$package"_*.deb)"
}

mkdir -p "$out"
compile
pack muster-agent agent "$(built "$agent_profile")" muster-agent
pack muster-server server "$(built "$profile")" muster-server muster
