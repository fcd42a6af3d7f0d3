// Artifacts as an admin sees them on the pages: none, what somebody puts there, what needs it, and the end of what nothing needs.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Person } from './browser.mjs';
import { errand } from './errands.mjs';

const { BASE_URL, ADMIN_NAME, ADMIN_PASSWORD, NEEDED, UNNEEDED } = process.env;
assert.ok(BASE_URL && NEEDED && UNNEEDED, 'give BASE_URL, NEEDED and UNNEEDED');

/** What is done elsewhere has to be on the page within this, with nobody reloading it. */
const LIVE_MS = 30_000;

let person;
let page;

before(async () => {
  person = await Person.begin(BASE_URL);
  ({ page } = person);
  await person.logIn(ADMIN_NAME, ADMIN_PASSWORD);
});

after(() => person?.end());

const muster = (...words) => errand({ do: 'muster', words });
const row = (name) => page.locator('tr[data-row]', { hasText: name });

test('where there is none the page says what one is for and how to put one there', async () => {
  await person.turnTo('Artifacts');
  await page.getByRole('heading', { name: 'No artifacts' }).waitFor();
  await page.getByText('muster artifact put tool-1.2.tar.gz').waitFor();
  await person.look('no artifacts');
});

test('what is put there comes up by itself, with what needs it', async () => {
  await muster('artifact', 'put', NEEDED);
  await muster('artifact', 'put', UNNEEDED);
  await row('tool-1.2.tar.gz').getByText('Stored').waitFor({ timeout: LIVE_MS });
  await row('tool-1.1.tar.gz').getByText('nothing').waitFor({ timeout: LIVE_MS });
  const copy = row('tool-1.2.tar.gz').getByRole('button', { name: 'Copy the digest of tool-1.2.tar.gz' });
  await copy.focus();
  await page.keyboard.press('Enter');
  const digest = await page.evaluate(() => navigator.clipboard.readText());
  assert.match(digest, /^sha256:[0-9a-f]{64}$/);
  await errand({ do: 'name', digest });
  await row('tool-1.2.tar.gz').getByRole('link', { name: 'tools@1' }).waitFor({ timeout: LIVE_MS });
  await row('tool-1.2.tar.gz').getByRole('button').first().click();
  await page.getByText('All of it is here, and its digest was right.').waitFor();
  await page.getByText(digest, { exact: true }).waitFor();
  await person.look('artifacts');
});

test('what nothing needs is deleted once that is confirmed, and what is needed is not offered for it', async () => {
  await row('tool-1.1.tar.gz').getByRole('button', { name: 'Delete' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('tool-1.1.tar.gz').waitFor();
  await person.look('deleting an artifact');
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  await dialog.waitFor({ state: 'detached' });
  await row('tool-1.1.tar.gz').getByRole('button', { name: 'Delete' }).click();
  await dialog.getByRole('button', { name: 'Delete 1 artifact' }).click();
  await page.getByText('tool-1.1.tar.gz is deleted.').waitFor();
  await row('tool-1.1.tar.gz').waitFor({ state: 'detached' });
  assert.equal(await page.getByRole('button', { name: /^Delete / }).count(), 0, 'the other one is needed');
  const left = await muster('artifact', 'list', '-o', 'json');
  assert.deepEqual(JSON.parse(left).map(({ name }) => name), ['tool-1.2.tar.gz']);
  assert.deepEqual(person.errors, []);
});
