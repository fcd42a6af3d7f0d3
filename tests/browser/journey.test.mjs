// From the setup link to a failure that is seen, explained and gone.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { Person } from './browser.mjs';

const {
  SETUP_LINK,
  ADMIN_NAME = 'kim',
  ADMIN_PASSWORD = 'correct horse battery staple',
  DEVICES = '3',
  BREAK_DEVICE = 'lap-ada',
  BREAK_RESOURCE = 'file:/etc/motd',
  BREAK_CMD,
  REPAIR_CMD,
} = process.env;
const BASE = process.env.BASE_URL ?? (SETUP_LINK ? new URL(SETUP_LINK).origin : undefined);
assert.ok(BASE, 'give BASE_URL or SETUP_LINK');

/** A change has to be on the page within this, with nobody reloading it. */
const LIVE_MS = 30_000;
/** Devices may still be converging for the first time. */
const CONVERGE_MS = 180_000;

let person;
let page;
let errors;
const look = (name) => person.look(name);
const visit = (path) => person.visit(path);

before(async () => {
  person = await Person.begin(BASE);
  ({ page, errors } = person);
});

after(() => person?.end());

async function run(command) {
  const [program, ...args] = JSON.parse(command);
  await promisify(execFile)(program, args, { timeout: 60_000 });
}

test('the setup link makes the first admin', { skip: !SETUP_LINK }, async () => {
  await person.go(SETUP_LINK);
  await page.getByLabel('Name').fill(ADMIN_NAME);
  await page.getByLabel('Password', { exact: true }).fill(ADMIN_PASSWORD);
  await page.getByLabel('Password again').fill(ADMIN_PASSWORD);
  await look('the setup page');
  await page.getByRole('button', { name: 'Create admin and log in' }).click();
  await page.getByRole('navigation', { name: 'Pages' }).waitFor();
  const steps = page.getByRole('region', { name: 'First steps' });
  await steps.getByText('1 of 7 done').waitFor();
  await steps.getByText('muster device import devices.csv').waitFor();
  await look('the first overview');
  await page.getByRole('button', { name: `Account of ${ADMIN_NAME}` }).click();
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.waitForURL('**/login');
});

test('the admin logs in with name and password', async () => {
  await person.go(`${BASE}/login`);
  await page.getByLabel('Name').fill(ADMIN_NAME);
  await page.getByLabel('Password', { exact: true }).fill(ADMIN_PASSWORD);
  await look('the login page');
  await page.getByLabel('Password', { exact: true }).press('Enter');
  await page.getByRole('navigation', { name: 'Pages' }).waitFor();
  assert.deepEqual(errors, []);
});

test('first steps that are done are gone', { skip: !BREAK_CMD }, async () => {
  await page.locator('.sentence a').first().waitFor();
  await page.getByText(`${DEVICES} of ${DEVICES} compliant`).waitFor({ timeout: CONVERGE_MS });
  assert.equal(await page.getByRole('region', { name: 'First steps' }).count(), 0);
});

test('all devices are compliant', { skip: !BREAK_CMD }, async () => {
  await page.getByRole('link', { name: 'Devices', exact: true }).click();
  const compliant = page.locator('tr[data-row]', { has: page.getByText('Compliant', { exact: true }) });
  await compliant.nth(Number(DEVICES) - 1).waitFor({ timeout: CONVERGE_MS });
  assert.equal(await compliant.count(), Number(DEVICES));
  await look('the devices');
  await page.getByRole('button', { name: 'Last seen' }).click();
  await page.waitForURL('**/devices?sort=last_seen');
  await compliant.nth(Number(DEVICES) - 1).waitFor();
});

test('a broken file is seen to fail, explained and seen to recover', { skip: !BREAK_CMD }, async () => {
  await page.getByRole('link', { name: BREAK_DEVICE, exact: true }).click();
  const standing = page.locator('.pagehead .badge');
  await standing.getByText('Compliant', { exact: true }).waitFor();

  await run(BREAK_CMD);
  // The badge says to who hears it where it leads.
  await standing.filter({ hasText: /^Failing/ }).waitFor({ timeout: LIVE_MS });
  const why = page.getByRole('region', { name: 'Why not compliant' });
  const cause = why.getByRole('listitem').filter({ hasText: BREAK_RESOURCE }).first();
  await cause.waitFor({ timeout: LIVE_MS });
  const chain = cause.getByRole('list', { name: 'Chain of causes' });
  assert.match(await chain.locator('[data-link="profile"]').innerText(), /^[a-z0-9-]+@\d+$/);
  assert.match(await chain.locator('[data-link="assignment"]').innerText(), /^assigned to \S+/);
  assert.match(await chain.locator('[data-link="by"]').innerText(), /^by \S+/);
  await look('a failing device');
  await person.picture('device');

  const revision = await chain.locator('[data-link="profile"]').innerText();
  await chain.getByRole('link', { name: revision }).click();
  await page.getByRole('heading', { level: 1, name: revision.split('@')[0] }).waitFor();
  await page.getByText('muster: 1').first().waitFor();
  await look('the profile that asks for it');

  await page.getByRole('link', { name: 'Overview', exact: true }).click();
  const causes = page.getByRole('table', { name: 'Failures by cause' });
  await causes.getByRole('link', { name: BREAK_DEVICE }).first().waitFor({ timeout: LIVE_MS });
  await look('the overview with a failure');
  await person.assertWholeWhenNarrow(causes.locator('.under').first());
  await person.picture('overview');
  await causes.getByRole('link', { name: BREAK_DEVICE }).first().click();

  if (REPAIR_CMD) await run(REPAIR_CMD);
  await standing.getByText('Compliant', { exact: true }).waitFor({ timeout: LIVE_MS });
  assert.equal(await why.count(), 0);
  assert.deepEqual(errors, []);
});

test('every page is clean in both themes', { skip: !BREAK_CMD }, async () => {
  const device = `/devices/${encodeURIComponent(BREAK_DEVICE)}`;
  const tabs = ['resources', 'checks', 'software', 'accounts', 'facts', 'history'].map((tab) => `${device}?tab=${tab}`);
  const profile = ['source', 'revisions', 'assigned'].map((tab) => `/profiles/base?tab=${tab}`);
  const checks = ['/checks', '/checks?tab=controls', '/checks/no-empty-passwords', '/controls/CIS-5.4.1'];
  const others = ['/profiles', '/outcomes?outcome=kept&profile=base', '/people', '/people?tab=groups', '/waivers', '/waivers?ended=true', '/enrollment', '/pauses', '/rollouts', '/artifacts', '/audit', '/settings'];
  for (const path of [...tabs, ...profile, ...checks, ...others]) {
    await visit(path);
    await look(path);
  }
});

test('a telephone shows the ids of tokens whole, and what an API token reaches', { skip: !BREAK_CMD }, async () => {
  await visit('/enrollment');
  await person.assertWholeWhenNarrow(page.getByRole('table', { name: 'Tokens', exact: true }).locator('code').first());
  await visit('/settings');
  await person.assertWholeWhenNarrow(page.getByRole('table', { name: 'API tokens' }).locator('.under').first());
});

test('a number opens exactly its rows', { skip: !BREAK_CMD }, async () => {
  await visit('/checks');
  await page.getByRole('link', { name: `${DEVICES} pass` }).click();
  await page.getByText(`${DEVICES} results`).waitFor();
  await visit('/profiles/base');
  const kept = page.locator('.outcomes a', { hasText: 'Kept' });
  const count = await kept.innerText();
  await kept.click();
  await page.getByText(`on ${Number.parseInt(count, 10)} resources`).waitFor();
});

test('a device is paused with a reason, and resumed', { skip: !BREAK_CMD }, async () => {
  await visit(`/devices/${encodeURIComponent(BREAK_DEVICE)}`);
  await page.getByRole('button', { name: 'Pause', exact: true }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Reason').fill('a fair');
  await look('the pause dialog');
  await dialog.getByRole('button', { name: 'Pause', exact: true }).click();
  await page.getByText('“a fair”').waitFor();
  await visit('/pauses');
  await look('the pauses');
  await page.getByRole('button', { name: `Resume device:${BREAK_DEVICE}` }).click();
  await page.getByText(`device:${BREAK_DEVICE} is resumed.`).waitFor();
  await page.getByText('Nothing is paused').waitFor();
});

test('a device says what it would do with a text that is not saved', { skip: !BREAK_CMD }, async () => {
  await visit('/profiles/base');
  await page.getByRole('button', { name: 'Edit' }).click();
  const source = page.getByLabel('Source of base');
  await source.fill((await source.inputValue()).replace('Property of', 'The property of'));
  await page.getByRole('button', { name: 'Plan on a device' }).last().click();
  const dialog = page.getByRole('dialog');
  const device = dialog.getByLabel('Device', { exact: true });
  await device.fill(BREAK_DEVICE);
  await device.press('Tab');
  await dialog.getByRole('button', { name: `Ask ${BREAK_DEVICE}` }).click();
  await dialog.getByText('+0 ~1 -0').waitFor({ timeout: LIVE_MS });
  await look('a plan');
  await page.keyboard.press('Escape');
  await page.getByRole('link', { name: 'Overview', exact: true }).click();
  await page.getByText('Leave without saving?').waitFor();
  await page.getByRole('button', { name: 'Leave, and lose them' }).click();
  await page.waitForURL(`${BASE}/`);
});

test('many devices get a label at once, named and counted', { skip: !BREAK_CMD }, async () => {
  await visit('/devices');
  await page.getByLabel(/^Choose all/).check();
  await page.getByText(`${DEVICES} devices chosen`).waitFor();
  await look('chosen devices');
  await page.getByRole('button', { name: 'Labels', exact: true }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Add').fill('berlin');
  await dialog.getByLabel('Add').press('Enter');
  await look('the labels of many');
  await dialog.getByRole('button', { name: `Change ${DEVICES} devices` }).click();
  await page.getByRole('link', { name: 'berlin' }).nth(Number(DEVICES) - 1).waitFor();
  await page.getByRole('link', { name: 'berlin' }).first().click();
  await page.getByText(`${DEVICES} devices`, { exact: true }).waitFor();
  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Export as CSV' }).click();
  const lines = (await readFile(await (await download).path(), 'utf8')).trimEnd().split('\r\n');
  assert.equal(lines.length, Number(DEVICES) + 1);
  assert.match(lines[0], /^name,serial,owner,labels,/);
});

test('the keyboard finds a device from anywhere', { skip: !BREAK_CMD }, async () => {
  await visit('/audit');
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox', { name: /^Go to/ }).fill(BREAK_DEVICE);
  await page.getByRole('option', { name: BREAK_DEVICE }).waitFor();
  await look('the palette');
  await page.keyboard.press('Enter');
  await page.waitForURL(`**/devices/${BREAK_DEVICE}`);
});

test('the audit is narrowed by what was done, and its address keeps that', { skip: !BREAK_CMD }, async () => {
  await visit('/audit?action=device.enroll');
  await page.locator('tr[data-row]').first().waitFor();
  for (const action of await page.locator('tr[data-row] td:nth-child(3)').allInnerTexts()) {
    assert.equal(action, 'device.enroll');
  }
});
