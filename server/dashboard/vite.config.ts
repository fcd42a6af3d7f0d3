import { gzipSync } from 'node:zlib';
import react from '@vitejs/plugin-react';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

/** All scripts together, compressed: what a browser loads before the first page. */
const SCRIPTS_MAX = 350_000;

/** Fails the build when the scripts have grown above the bound. */
function bounded(): Plugin {
  return {
    name: 'bounded-scripts',
    apply: 'build',
    generateBundle(_, bundle) {
      const scripts = Object.values(bundle).filter((file) => file.type === 'chunk');
      const size = scripts.reduce((sum, script) => sum + gzipSync(script.code, { level: 9 }).length, 0);
      if (size > SCRIPTS_MAX) {
        this.error(`the scripts are ${size} bytes compressed, and ${SCRIPTS_MAX} are allowed: leave something out`);
      }
      this.info(`scripts: ${size} bytes compressed, of ${SCRIPTS_MAX} allowed`);
    },
  };
}

// The built files are embedded in muster-server, which sends them under a strict content security policy:
// nothing may be inlined, neither scripts nor fonts as data URLs.
export default defineConfig({
  plugins: [react(), bounded()],
  build: {
    target: 'es2023',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    // One script, about 220 kB compressed: an admin's next page is never waited for.
    chunkSizeWarningLimit: 900,
  },
  server: {
    // What the server serves by itself, beside these pages.
    proxy: Object.fromEntries(
      ['/api', '/docs', '/install'].map((path) => [
        path,
        { target: process.env.MUSTER_SERVER ?? 'https://127.0.0.1:8443', secure: false },
      ]),
    ),
  },
  test: { include: ['src/**/*.test.ts'] },
});
