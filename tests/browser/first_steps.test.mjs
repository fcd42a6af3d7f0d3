// A newcomer's first day by mouse and keyboard alone: from the setup link, by First steps, to a fleet that complies.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Person } from './browser.mjs';
import { errand } from './errands.mjs';

const { SETUP_LINK, ADMIN_NAME = 'kim', ADMIN_PASSWORD = 'correct horse battery staple' } = process.env;
assert.ok(SETUP_LINK, 'give SETUP_LINK');

/** What happens on machines has to be on the page within this, with nobody reloading it. */
const LIVE_MS = 60_000;
const DEVICES = 'serial,name,owner,labels\nPF3ABC12,lap-ada,ada,laptop\nSRV-0001,srv-web1,,server;web\nSRV-0002,srv-db1,,server\n';

let person;
let page;
let steps;
let dialog;

before(async () => {
  person = await Person.begin(new URL(SETUP_LINK).origin);
  ({ page } = person);
  steps = page.getByRole('region', { name: 'First steps' });
  dialog = page.getByRole('dialog');
});

after(() => person?.end());

async function ticked(count) {
  await steps.getByText(`${count} of 7 done`).waitFor({ timeout: LIVE_MS });
}

test('the setup link makes the first admin, who sees what is next', async () => {
  await person.go(SETUP_LINK);
  await page.getByLabel('Name').fill(ADMIN_NAME);
  await page.getByLabel('Password', { exact: true }).fill(ADMIN_PASSWORD);
  await page.getByLabel('Password again').fill(ADMIN_PASSWORD);
  await page.getByRole('button', { name: 'Create admin and log in' }).click();
  await ticked(1);
});

test('a file with a mistake changes nothing, and the mended one registers all', async () => {
  await steps.getByRole('button', { name: 'Import a file' }).click();
  const choose = (text) =>
    dialog.getByLabel('File').setInputFiles({ name: 'devices.csv', mimeType: 'text/csv', buffer: Buffer.from(text) });
  await choose(DEVICES.replace('lap-ada', 'lap ada!'));
  await dialog.getByRole('alert').filter({ hasText: 'Line 2' }).waitFor();
  await choose(DEVICES);
  await dialog.getByText('3 devices new').waitFor();
  await person.look('an import');
  await dialog.getByRole('button', { name: 'Import 3 devices' }).click();
  await dialog.getByText('Imported: 3 devices new').waitFor();
  await dialog.getByRole('button', { name: 'Done' }).click();
  await ticked(2);
});

test('a profile is written in the page, beginning with what the command line prints', async () => {
  await steps.getByRole('link', { name: 'Write a profile' }).click();
  const source = page.getByLabel('Source of a new profile');
  const starter = await source.inputValue();
  assert.equal(starter, await errand({ do: 'muster', words: ['profile', 'init', 'base'] }));
  await source.fill(starter.replace('mode: "0644"', 'mode: 0644'));
  await page.getByRole('button', { name: 'Save profile' }).click();
  await page.getByRole('alert').getByText('write mode: "0644"').waitFor();
  person.forgive(422);
  await source.fill(starter.replace('Managed by Muster.', 'Property of Example Corp.'));
  await page.getByRole('button', { name: 'Check' }).click();
  await page.getByText('It can be saved as base@1.').waitFor();
  await person.look('a new profile');
  await page.getByRole('button', { name: 'Save profile' }).click();
  await page.getByRole('heading', { name: 'Assigned to nothing' }).waitFor();
  await person.turnTo('Overview');
  await ticked(3);
});

/** Makes a token as the form is filled in by `fill`, and gives back what the page copies. */
async function scriptOf(fill) {
  await fill();
  await dialog.getByRole('button', { name: 'Create token' }).click();
  await dialog.getByRole('button', { name: 'Copy the script' }).click();
  await dialog.getByText('Copied').waitFor({ state: 'attached' });
  const text = await page.evaluate(() => navigator.clipboard.readText());
  assert.match(text, /join\.toml/);
  await person.look('a token');
  await dialog.getByRole('button', { name: 'Done' }).click();
  await dialog.waitFor({ state: 'detached' });
  return text;
}

test('machines install the agent by the script that the page shows, and the page sees them come', async () => {
  await steps.getByRole('button', { name: 'Create a token' }).click();
  const laptop = await scriptOf(() => dialog.getByLabel('Only for serial').fill('PF3ABC12'));
  await ticked(4);
  await steps.getByRole('button', { name: 'Create another token' }).click();
  const servers = await scriptOf(() => dialog.getByLabel('Uses').fill('2'));
  await errand({ do: 'paste', devices: ['lap-ada'], text: laptop });
  await ticked(5);
  await person.look('the first steps with a device');
  await errand({ do: 'paste', devices: ['srv-web1', 'srv-db1'], text: servers });
  await page.getByRole('list', { name: 'Life of devices' }).locator('li', { hasText: 'Registered' }).getByText('none').waitFor({ timeout: LIVE_MS });
});

test('the devices say what they would do, and do it once it is assigned', async () => {
  await steps.getByRole('link', { name: 'Assign base' }).click();
  await page.getByRole('button', { name: 'Assign', exact: true }).click();
  await dialog.getByLabel('To', { exact: true }).fill('everyone');
  await dialog.getByLabel('To', { exact: true }).press('Enter');
  await dialog.getByText(/^\+\d+ ~\d+ -0 on 3 devices$/).waitFor({ timeout: LIVE_MS });
  await person.look('an assignment');
  await dialog.getByRole('button', { name: 'Assign to 3 devices' }).click();
  await page.getByRole('link', { name: 'everyone' }).waitFor();
  await person.turnTo('Overview');
  await page.getByText('3 of 3 compliant').waitFor({ timeout: 2 * LIVE_MS });
  assert.equal(await steps.count(), 0, 'no first step is left');
  await person.look('the overview of a fleet that complies');
  await person.turnTo('Devices');
  await page.locator('tr[data-row]', { hasText: 'Compliant' }).nth(2).waitFor();
  assert.deepEqual(person.errors, []);
});
