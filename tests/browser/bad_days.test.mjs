// The bad days as an admin lives them on the pages: lost, copied, vetoed, a bad change, a file that takes too much.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Person } from './browser.mjs';
import { errand } from './errands.mjs';

const { BASE_URL, ADMIN_NAME = 'kim', ADMIN_PASSWORD = 'correct horse battery staple' } = process.env;
assert.ok(BASE_URL, 'give BASE_URL');

/** What happens on machines has to be on the page within this, with nobody reloading it. */
const LIVE_MS = 60_000;
const SHELF = Array.from({ length: 12 }, (_, i) => `SHELF-${i + 1}`);

let person;
let page;
let dialog;
let standing;
let why;

before(async () => {
  person = await Person.begin(BASE_URL);
  ({ page } = person);
  dialog = page.getByRole('dialog');
  standing = page.locator('.pagehead .badge');
  why = page.getByRole('region', { name: 'Why not compliant' });
  await person.logIn(ADMIN_NAME, ADMIN_PASSWORD);
});

after(() => person?.end());

async function stands(word) {
  await standing.filter({ hasText: new RegExp(`^${word}`) }).waitFor({ timeout: LIVE_MS });
}

async function says(text) {
  await page.getByText(text).first().waitFor({ timeout: LIVE_MS });
}

test('a device that its owner paused says until when and why', async () => {
  await person.visit('/devices/srv-2');
  await stands('Compliant');
  await errand({ do: 'run', device: 'srv-2', words: ['muster-agent', 'pause', '--for', '2h', '--reason', 'a fair'] });
  await stands('Unknown');
  const cause = why.getByRole('listitem').filter({ hasText: 'paused on the device until' });
  await cause.getByText('a fair').waitFor();
  await cause.locator('.badge', { hasText: 'Paused' }).waitFor();
  await person.look('a device that its owner paused');
  await errand({ do: 'run', device: 'srv-2', words: ['muster-agent', 'resume'] });
  await stands('Compliant');
});

test('what its owner vetoes is blocked, and says whom to ask', async () => {
  await errand({ do: 'veto', device: 'srv-2', kinds: ['file'] });
  await stands('Unknown|Failing');
  await why.getByText('Ask the device\'s owner to take file from deny_kinds').first().waitFor({ timeout: LIVE_MS });
  await person.look('a device with a veto');
  await errand({ do: 'veto', device: 'srv-2', kinds: [] });
  await stands('Compliant');
});

test('a machine and its copy are both held, and the right one is let in again', async () => {
  const addresses = (await errand({ do: 'copy', device: 'srv-1' })).split(' ');
  await person.visit('/devices/srv-1');
  await stands('Held');
  await says('two machines use this identity');
  for (const address of addresses) await why.getByText(address).first().waitFor();
  await person.look('a device and its copy');
  await person.visit('/devices?state=held');
  await page.getByText('1 device', { exact: true }).waitFor();
  await page.getByRole('link', { name: 'srv-1', exact: true }).click();
  await page.getByRole('button', { name: 'Allow re-enrollment' }).click();
  await dialog.getByText('One new key may become srv-1 within 24 hours.').waitFor();
  await dialog.getByRole('button', { name: 'Allow re-enrollment' }).click();
  await says('May enroll again until');
  await errand({ do: 'reinstall', device: 'srv-1' });
  await stands('Compliant');
  assert.equal(await page.getByText('May enroll again until').count(), 0, 'the leave is used up');
});

test('a bad change stops at the first device with its cause, and is taken back from the page', async () => {
  await person.visit('/profiles/worker');
  await page.getByRole('button', { name: 'Edit' }).click();
  const source = page.getByLabel('Source of worker');
  await source.fill((await source.inputValue()).replaceAll('/usr/bin/sleep 100000', '/usr/bin/false'));
  await page.getByRole('button', { name: 'Save revision' }).click();
  await says('Saved as worker@2');
  await page.getByRole('tab', { name: /^Assigned/ }).click();
  await page.getByRole('button', { name: 'Assign', exact: true }).click();
  await dialog.getByLabel('To', { exact: true }).fill('label:server');
  await dialog.getByLabel('Step by step').check();
  await dialog.getByLabel('All well for').selectOption('0');
  await dialog.getByRole('button', { name: 'Preview' }).click();
  await dialog.getByText('on 3 devices').first().waitFor({ timeout: LIVE_MS });
  await person.look('a rollout before it begins');
  await dialog.getByRole('button', { name: 'Begin with the first of 3 devices' }).click();
  await page.waitForURL('**/rollouts/*');
  await stands('Stopped');
  const stopped = page.getByRole('region', { name: 'Why it stopped' });
  await stopped.getByText('service:worker').first().waitFor();
  const canary = await stopped.getByRole('link', { name: /^srv-/ }).first().innerText();
  await person.look('a rollout that stopped');
  const rollout = page.url();

  await person.visit('/profiles/worker');
  await page.getByRole('link', { name: 'worker@2 to label:server' }).waitFor();
  await person.look('a profile while its rollout is stopped');
  await page.getByRole('button', { name: 'Roll back' }).click();
  await dialog.getByText(`1 device goes from worker@2 to worker@1: ${canary}`).waitFor();
  await person.look('a rollback');
  await dialog.getByRole('button', { name: 'Roll back on 1 device' }).click();
  await dialog.waitFor({ state: 'detached' });
  await person.visit(`/devices/${canary}`);
  await stands('Compliant');
  await person.go(rollout);
  await stands('Cancelled');
  await page.getByRole('region', { name: 'What had stopped it' }).waitFor();
});

/** Imports a file by the page and gives back what it said it would do. */
async function importing(rows) {
  await page.getByRole('button', { name: 'Import' }).click();
  await dialog.getByLabel('Or its text').fill(`serial,name,owner,labels\n${rows.join('\n')}\n`);
  await dialog.getByRole('button', { name: 'Preview' }).click();
  await dialog.getByRole('button', { name: `Import ${rows.length} devices` }).waitFor();
}

test('a file that would take a profile from many devices waits until it is confirmed', async () => {
  await person.visit('/devices');
  await importing(SHELF.map((serial) => `${serial},${serial.toLowerCase()},,shelf`));
  await dialog.getByRole('button', { name: 'Import 12 devices' }).click();
  await dialog.getByRole('button', { name: 'Done' }).click();
  await importing(SHELF.map((serial) => `${serial},${serial.toLowerCase()},,`));
  await dialog.getByText('It would take shelf from 12 devices (they lose shelf)').waitFor();
  await person.look('an import that takes much');
  await dialog.getByRole('button', { name: 'Import 12 devices' }).click();
  await dialog.getByRole('button', { name: 'Done' }).click();
  await person.turnTo('Overview');
  await page.locator('.needs a', { hasText: '12 devices' }).first().click();
  const row = page.getByRole('table', { name: 'Removals that wait' }).locator('tr[data-row]');
  await row.getByText('an import took labels away').waitFor();
  await person.look('a removal that waits');
  await row.getByRole('button', { name: /^Confirm/ }).click();
  const remove = dialog.getByRole('button', { name: 'Remove shelf from 12 devices' });
  assert.ok(await remove.isDisabled(), 'the count has to be typed first');
  await dialog.getByLabel('Type 12 to confirm').fill('12');
  await remove.click();
  await says('The removal is under way.');
  await page.getByText('None. One does when').waitFor();
  await person.visit('/profiles/shelf');
  await page.getByRole('tab', { name: /^Assigned/ }).click();
  await page.getByRole('row', { name: /label:shelf/ }).getByRole('link', { name: '0', exact: true }).waitFor();
});

test('a lost device gets its last order, and its receipt is shown with what it held', async () => {
  await person.visit('/devices/lap-1');
  await stands('Compliant');
  await page.getByRole('button', { name: 'Report lost' }).click();
  await dialog.getByText('it gets its last order at once').waitFor();
  await dialog.getByLabel('Reason').fill('left in a train');
  const report = dialog.getByRole('button', { name: 'Report 1 device lost' });
  assert.ok(await report.isDisabled(), 'the name has to be typed first');
  await dialog.getByLabel('Type lap-1 to confirm').fill('lap-1');
  await person.look('a report of a lost device');
  await report.click();
  await says('It carried its last order out, receipt of');
  await stands('Lost');
  const said = page.getByRole('status').filter({ hasText: 'Reported lost' });
  for (const part of ['left in a train', 'ada', 'people@1']) await said.getByText(part).first().waitFor();
  assert.equal(await page.getByRole('button', { name: /found/i }).count(), 0, 'it can not be taken back any more');
  await person.look('a lost device');
  assert.match(await errand({ do: 'muster', words: ['device', 'show', 'lap-1'] }), /carried out, receipt of/);
  await person.visit('/devices?state=lost');
  await page.getByText('1 device', { exact: true }).waitFor();
  assert.deepEqual(person.errors, []);
});
