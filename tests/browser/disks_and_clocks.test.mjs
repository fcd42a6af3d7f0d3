// Full disks and wrong clocks, on a device and on the server, as an admin reads of them on the pages and gets out of them.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Person } from './browser.mjs';
import { errand } from './errands.mjs';

const { BASE_URL, ADMIN_NAME = 'kim', ADMIN_PASSWORD = 'correct horse battery staple' } = process.env;
assert.ok(BASE_URL, 'give BASE_URL');

/** What happens on machines has to be on the page within this, with nobody reloading it. */
const LIVE_MS = 60_000;
const LEDGER = '/var/lib/muster';
const DATA = '/srv/data';

let person;
let page;
let standing;
let causes;
let banner;

before(async () => {
  person = await Person.begin(BASE_URL);
  ({ page } = person);
  standing = page.locator('.pagehead .badge');
  causes = page.locator('#why').getByRole('listitem');
  banner = page.locator('.banner');
  await person.logIn(ADMIN_NAME, ADMIN_PASSWORD);
});

after(() => person?.end());

async function stands(word) {
  await standing.filter({ hasText: new RegExp(`^${word}`) }).waitFor({ timeout: LIVE_MS });
}

/** Waits until what became of a resource is so. */
async function becomes(resource, word) {
  await page.locator(`tr[data-row="${resource}"]`).getByText(word).waitFor({ timeout: LIVE_MS });
}

/** Waits for what fails with its cause, makes room, and has the device look again. */
async function failsUntilThereIsRoom(resource, cause, folder) {
  await stands('Failing');
  const why = causes.filter({ hasText: resource });
  await why.getByText(cause).waitFor({ timeout: LIVE_MS });
  await why.locator('.badge', { hasText: 'Failed' }).waitFor();
  await becomes(resource, /^Failed$/);
  await person.look(`a device whose disk is full, ${folder}`);
  await errand({ do: 'make_room', folder });
  await page.getByRole('button', { name: 'Apply now' }).click();
  await stands('Compliant');
  await becomes(resource, /^(Kept|Repaired)$/);
  assert.equal(await page.getByRole('region', { name: 'Why not compliant' }).count(), 0, 'nothing is wrong any more');
}

test('a device that can write nothing down says so, says what to do, and goes on once there is room', async () => {
  await person.visit('/devices/srv-1');
  await stands('Compliant');
  await errand({ do: 'fill', folder: LEDGER });
  await errand({ do: 'run', words: ['sh', '-c', 'echo theirs >/etc/motd'] });
  const cause = /nothing is changed while the agent's ledger can't be written.*full.*make room on its disk/;
  await failsUntilThereIsRoom('file:/etc/motd', cause, LEDGER);
  assert.equal(await errand({ do: 'run', words: ['cat', '/etc/motd'] }), 'Property of Example Corp.\n');
});

test('a change that a full server refuses says why, is not lost, and is saved once there is room', async () => {
  await person.visit('/profiles/site');
  await page.getByRole('button', { name: 'Edit' }).click();
  const source = page.getByLabel('Source of site');
  const report = `  - file: { path: ${DATA}/report, content: "${'twelve\\n'.repeat(3_000)}" }\n`;
  const text = `${await source.inputValue()}${report}`;
  await source.fill(text);
  await errand({ do: 'fill' });
  await person.saveForFollowers();
  const said = page.getByRole('alert').filter({ hasText: "The server's disk is full: nothing of this was recorded." });
  await said.getByText("Make room on the disk of the server's data folder, then try again").waitFor({ timeout: LIVE_MS });
  person.forgive(507);
  await person.look('a change that a full server refuses');
  assert.equal(await source.inputValue(), text, 'what was typed is still there');

  // What can be read is read, and nothing is half saved.
  const other = await page.context().newPage();
  await other.goto(`${BASE_URL}/profiles/site?tab=revisions`);
  await other.getByRole('tab', { name: /^Revisions ?1$/ }).waitFor();
  await other.close();

  await errand({ do: 'fill', folder: DATA });
  await errand({ do: 'make_room' });
  await person.saveForFollowers();
  await page.getByText('Saved as site@2').waitFor({ timeout: LIVE_MS });
  assert.equal(await said.count(), 0, 'what was refused is no longer said');
});

test('what does not fit on a disk of the device fails alone with its cause, and is made once there is room', async () => {
  await person.turnTo('Overview');
  const failure = page.getByRole('table', { name: 'Failures by cause' }).locator('tr[data-row]', { hasText: `${DATA}/report` });
  await failure.getByText('No space left on device').filter({ visible: true }).waitFor({ timeout: LIVE_MS });
  await failure.getByRole('link', { name: 'srv-1' }).click();
  await failsUntilThereIsRoom(`file:${DATA}/report`, /No space left on device/, DATA);
});

test('a device whose clock is years behind is named with what to do, and no longer once it is right', async () => {
  await errand({ do: 'set_clock', days: -2200 });
  const clock = causes.filter({ hasText: "its clock is 2200 days behind this server's" });
  await clock.locator('.badge', { hasText: 'Clock' }).waitFor({ timeout: LIVE_MS });
  await clock.getByText('timedatectl set-ntp true').waitFor();
  await page.getByRole('heading', { name: 'Compliant, with something to put right' }).waitFor();
  assert.equal(await banner.count(), 0, "the server's clock is right");
  await person.look('a device whose clock is wrong');
  await errand({ do: 'set_clock', days: 0 });
  await clock.waitFor({ state: 'detached', timeout: LIVE_MS });
  await stands('Compliant');
});

test('a server whose clock is years behind is told from one that is right on every page', async () => {
  const wrong = banner.filter({ hasText: "The server's clock is 6 years behind this computer's" });
  await errand({ do: 'set_servers_clock', days: -2200 });
  await wrong.getByText('muster-server doctor').waitFor({ timeout: LIVE_MS });
  person.forgiveAbsence();
  await person.look('a server whose clock is wrong');
  await person.turnTo('Overview');
  await wrong.waitFor();
  await errand({ do: 'set_servers_clock', days: 0 });
  await wrong.waitFor({ state: 'detached', timeout: LIVE_MS });
  await person.visit('/devices/srv-1');
  await stands('Compliant');
  person.forgiveAbsence();
  assert.deepEqual(person.errors, []);
});
