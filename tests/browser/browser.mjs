// A Chromium page that fails the test on any error in its console, and asks axe about what it shows.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Starts the browser of this machine. */
export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [...FLAGS, ...JSON.parse(process.env.CHROMIUM_ARGS ?? '[]')],
  });
}

/** A page with a session of its own; `errors` collects what its console said that it should not have. */
export async function open(browser) {
  const context = await browser.newContext({
    ignoreHTTPSErrors: true,
    colorScheme: 'light',
    viewport: { width: 1440, height: 900 },
  });
  const page = await context.newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) errors.push(message.text());
  });
  return { page, errors };
}

/** Asserts that axe finds nothing serious or critical on what is shown. */
export async function assertAccessible(page, name) {
  // Run over the debugging protocol, so that the content security policy stays as it is for the page itself.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run({ resultTypes: ['violations'] }));
  const grave = violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`);
  assert.deepEqual(grave, [], `axe on ${name}`);
}

/** Asserts that nothing reaches past the side of the window, once the page has taken in how wide that is. */
export async function assertNoSidewaysScroll(page, name) {
  const measure = () => page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  let surplus = await measure();
  for (let turn = 0; surplus > 0 && turn < 20; turn += 1) {
    await page.waitForTimeout(100);
    surplus = await measure();
  }
  assert.ok(surplus <= 0, `${name} is ${surplus} px too wide at ${page.viewportSize().width} px`);
}
