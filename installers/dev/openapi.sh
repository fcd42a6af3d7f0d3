#!/usr/bin/env bash
# Holds the API against its document: redocly reads the document, schemathesis asks a server of its own.
set -euo pipefail

cd "$(dirname "$0")/../.."
tools=${MUSTER_CACHE:?run this through make, which sets MUSTER_CACHE}/tools
here=installers/dev/openapi

"$tools/openapi/node_modules/.bin/redocly" lint --config "$here/redocly.yaml" server/dashboard/openapi.json

cargo build --quiet --locked -p muster-server -p muster
built=${CARGO_TARGET_DIR:-target}/debug
work=$(mktemp -d)
server=
finish() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    wait
    rm -rf "$work"
}
trap finish EXIT

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
devices=$(free_port)
admins=$(free_port)
data=$work/data
"$built/muster-server" setup --data "$data" --name localhost --trust-domain corp.example --yes >"$work/setup"
"$built/muster-server" serve --data "$data" --listen-devices "127.0.0.1:$devices" \
    --listen-admins "127.0.0.1:$admins" 2>"$work/log" &
server=$!
for _ in $(seq 100); do
    curl --silent --insecure --output "$work/ready" "https://localhost:$admins/readyz" && break
    sleep 0.1
done

fingerprint=$(grep -o 'sha256:[0-9a-f]*' "$work/setup")
{ sed "s/:8443/:$admins/" "$data/setup-link" && echo 'walnut harbour eleven lamps'; } |
    HOME=$work "$built/muster" setup - --name tester --password-stdin --fingerprint "$fingerprint"
# A login, and not a token of a program: it may ask for everything.
MUSTER_TOKEN=$(sed -n 's/^token = "\(.*\)"/\1/p' "$work/.config/muster/config.toml")
export MUSTER_TOKEN

"$tools/schemathesis/bin/schemathesis" --config-file "$here/schemathesis.toml" run \
    --url "https://localhost:$admins" --tls-verify "$data/ca/root.crt" \
    server/dashboard/openapi.json
