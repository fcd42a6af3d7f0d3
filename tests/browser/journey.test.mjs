// From the setup link to a failure that is seen, explained and gone.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { assertAccessible, assertNoSidewaysScroll, launch, open } from './browser.mjs';

const {
  SETUP_LINK,
  ADMIN_NAME = 'kim',
  ADMIN_PASSWORD = 'correct horse battery staple',
  DEVICES = '3',
  BREAK_DEVICE = 'lap-ada',
  BREAK_RESOURCE = 'file:/etc/motd',
  BREAK_CMD,
  REPAIR_CMD,
  IMAGES,
} = process.env;
const BASE = process.env.BASE_URL ?? (SETUP_LINK ? new URL(SETUP_LINK).origin : undefined);
assert.ok(BASE, 'give BASE_URL or SETUP_LINK');

/** A change has to be on the page within this, with nobody reloading it. */
const LIVE_MS = 30_000;
/** Devices may still be converging for the first time. */
const CONVERGE_MS = 180_000;

let browser;
let page;
let errors;

before(async () => {
  browser = await launch();
  ({ page, errors } = await open(browser));
});

after(() => browser?.close());

async function run(command) {
  const [program, ...args] = JSON.parse(command);
  await promisify(execFile)(program, args, { timeout: 60_000 });
}

/** The same view in both themes. */
async function keepImages(name) {
  if (!IMAGES) return;
  await mkdir(IMAGES, { recursive: true });
  for (const colorScheme of ['dark', 'light']) {
    await page.emulateMedia({ colorScheme });
    await page.locator(`html[data-mantine-color-scheme="${colorScheme}"]`).waitFor();
    await page.screenshot({ path: join(IMAGES, `${name}-${colorScheme}.png`) });
  }
}

async function look(name) {
  await assertAccessible(page, name);
  const size = page.viewportSize();
  await page.setViewportSize({ width: 375, height: 812 });
  await assertNoSidewaysScroll(page, name);
  await page.setViewportSize(size);
  assert.deepEqual(errors, [], `the console on ${name}`);
}

test('the setup link makes the first admin', { skip: !SETUP_LINK }, async () => {
  await page.goto(SETUP_LINK);
  await page.getByLabel('Name').fill(ADMIN_NAME);
  await page.getByLabel('Password', { exact: true }).fill(ADMIN_PASSWORD);
  await page.getByLabel('Password again').fill(ADMIN_PASSWORD);
  await look('the setup page');
  await page.getByRole('button', { name: 'Create admin and log in' }).click();
  await page.getByRole('navigation', { name: 'Pages' }).waitFor();
  await look('the first overview');
  await page.getByRole('button', { name: `Account of ${ADMIN_NAME}` }).click();
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.waitForURL('**/login');
});

test('the admin logs in with name and password', async () => {
  await page.goto(`${BASE}/login`);
  await page.getByLabel('Name').fill(ADMIN_NAME);
  await page.getByLabel('Password', { exact: true }).fill(ADMIN_PASSWORD);
  await look('the login page');
  await page.getByLabel('Password', { exact: true }).press('Enter');
  await page.getByRole('navigation', { name: 'Pages' }).waitFor();
  assert.deepEqual(errors, []);
});

test('all devices are compliant', { skip: !BREAK_CMD }, async () => {
  await page.getByRole('link', { name: 'Devices', exact: true }).click();
  const compliant = page.locator('tr[data-row]', { has: page.getByText('Compliant', { exact: true }) });
  await compliant.nth(Number(DEVICES) - 1).waitFor({ timeout: CONVERGE_MS });
  assert.equal(await compliant.count(), Number(DEVICES));
  await look('the devices');
});

test('a broken file is seen to fail, explained and seen to recover', { skip: !BREAK_CMD }, async () => {
  await page.getByRole('link', { name: BREAK_DEVICE, exact: true }).click();
  const standing = page.locator('.pagehead .badge');
  await standing.getByText('Compliant', { exact: true }).waitFor();

  await run(BREAK_CMD);
  await standing.getByText('Failing', { exact: true }).waitFor({ timeout: LIVE_MS });
  const why = page.getByRole('region', { name: 'Why not compliant' });
  const cause = why.getByRole('listitem').filter({ hasText: BREAK_RESOURCE }).first();
  await cause.waitFor({ timeout: LIVE_MS });
  const chain = cause.getByRole('list', { name: 'Chain of causes' });
  assert.match(await chain.locator('[data-link="profile"]').innerText(), /^[a-z0-9-]+@\d+$/);
  assert.match(await chain.locator('[data-link="assignment"]').innerText(), /^assigned to \S+/);
  assert.match(await chain.locator('[data-link="by"]').innerText(), /^by \S+/);
  await look('a failing device');
  await keepImages('device');

  const revision = await chain.locator('[data-link="profile"]').innerText();
  await chain.getByRole('link', { name: revision }).click();
  await page.getByRole('heading', { level: 1, name: revision.split('@')[0] }).waitFor();
  await page.getByText('muster: 1').first().waitFor();
  await look('the profile that asks for it');

  await page.getByRole('link', { name: 'Overview', exact: true }).click();
  const causes = page.getByRole('table', { name: 'Failures by cause' });
  await causes.getByRole('link', { name: BREAK_DEVICE }).first().waitFor({ timeout: LIVE_MS });
  await look('the overview with a failure');
  await keepImages('overview');
  await causes.getByRole('link', { name: BREAK_DEVICE }).first().click();

  if (REPAIR_CMD) await run(REPAIR_CMD);
  await standing.getByText('Compliant', { exact: true }).waitFor({ timeout: LIVE_MS });
  assert.equal(await why.count(), 0);
  assert.deepEqual(errors, []);
});

test('every page is clean', { skip: !BREAK_CMD }, async () => {
  const device = `/devices/${encodeURIComponent(BREAK_DEVICE)}`;
  const tabs = ['resources', 'checks', 'software', 'accounts', 'facts', 'history'].map((tab) => `${device}?tab=${tab}`);
  for (const path of [...tabs, '/profiles', '/enrollment', '/audit', '/settings']) {
    await page.goto(`${BASE}${path}`);
    await page.getByRole('heading', { level: 1 }).waitFor();
    await page.locator('[aria-busy="true"], .bone').first().waitFor({ state: 'detached' });
    await look(path);
  }
});
