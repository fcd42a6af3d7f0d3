#!/usr/bin/env bash
# Builds the dashboard into server/dashboard/dist, which muster-server embeds, also compressed; does nothing when it is current.
set -euo pipefail

cd "$(dirname "$0")/../../server/dashboard"
stamp=node_modules/.muster-built

sources() {
    find . \( -name node_modules -o -name dist \) -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum
}

now=$(sources)
if [ -f dist/index.html.gz ] && [ "$(cat "$stamp" 2>/dev/null)" = "$now" ]; then exit; fi
printf 'dashboard: npm ci and vite build\n' >&2
npm ci --prefer-offline --no-audit --no-fund --silent
npm run --silent build
# Compressed once, here: the server compresses nothing for whoever asks. No names and times, so that builds are the same.
find dist -type f ! -name '*.woff2' ! -name '*.png' -exec gzip -9nkf {} +
sources >"$stamp"
