import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

// The built files are embedded in muster-server, which sends them under a strict content security policy:
// nothing may be inlined, neither scripts nor fonts as data URLs.
export default defineConfig({
  plugins: [react()],
  build: {
    target: 'es2023',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    // One script, about 220 kB compressed: an admin's next page is never waited for.
    chunkSizeWarningLimit: 900,
  },
  server: {
    proxy: { '/api': { target: process.env.MUSTER_SERVER ?? 'https://127.0.0.1:8443', secure: false } },
  },
  test: { include: ['src/**/*.test.ts'] },
});
