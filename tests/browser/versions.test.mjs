// Server and agent go up and down a version while a page stays open: it stays logged in, shows what is, and changes it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Person } from './browser.mjs';
import { errand } from './errands.mjs';

const { BASE_URL, ADMIN_NAME, ADMIN_PASSWORD, BEFORE, VERSION, AFTER } = process.env;
assert.ok(BASE_URL && BEFORE && VERSION && AFTER, 'give BASE_URL, BEFORE, VERSION and AFTER');

/** What happens on machines has to be on the page within this, with nobody reloading it. */
const LIVE_MS = 60_000;

let person;
let page;

before(async () => {
  person = await Person.begin(BASE_URL);
  ({ page } = person);
  await person.logIn(ADMIN_NAME, ADMIN_PASSWORD);
  // What a page holds is gone when it is loaded anew.
  await page.evaluate(() => {
    globalThis.sameLoad = true;
  });
});

after(() => person?.end());

/** Installs another version of the server's package under the open page. */
async function serverBecomes(version) {
  await errand({ do: 'server', version });
  await page.getByText("The server can't be reached").waitFor({ state: 'detached', timeout: LIVE_MS });
}

/** Changes the profile on the page, and waits until the device has it. */
async function says(text, revision) {
  await person.turnTo('Profiles');
  await page.getByRole('link', { name: 'motd', exact: true }).click();
  await page.getByRole('button', { name: 'Edit' }).click();
  const source = page.getByLabel('Source of motd');
  await source.fill((await source.inputValue()).replace(/content: ".*?\\n"/, `content: "${text}\\n"`));
  await person.saveForFollowers();
  await page.getByText(`Saved as motd@${revision}`).waitFor();
  await person.turnTo('Devices');
  await page.getByRole('link', { name: 'srv-1', exact: true }).click();
  const row = page.locator('tr[data-row="file:/etc/motd"]');
  await row.getByRole('link', { name: `motd@${revision}` }).waitFor({ timeout: LIVE_MS });
  await page.locator('.pagehead .badge', { hasText: /^Compliant/ }).waitFor({ timeout: LIVE_MS });
  assert.equal(await errand({ do: 'read_motd' }), `${text}\n`);
  assert.ok(await page.evaluate(() => globalThis.sameLoad), 'the page was neither reloaded nor logged out');
  person.forgiveAbsence();
}

test('after the server went up a version the open page is still logged in and changes what is on the device', async () => {
  await serverBecomes(VERSION);
  await says('after the upgrade', 2);
  await page.getByRole('button', { name: `Account of ${ADMIN_NAME}` }).click();
  await page.getByText(`Muster ${VERSION}`).waitFor();
  await page.keyboard.press('Escape');
  await person.look('a device after an upgrade of the server');
});

test("the device's page shows which version of the agent is installed and runs, as it goes up and down", async () => {
  await page.getByRole('tab', { name: 'Software' }).click();
  await page.getByLabel('Search packages').fill('muster-agent');
  for (const version of [VERSION, AFTER, BEFORE]) {
    if (version !== VERSION) await errand({ do: 'agent', version });
    await page.locator(`tr[data-row="muster-agent ${version}"]`).waitFor({ timeout: LIVE_MS });
    assert.equal(await page.locator('tr[data-row^="muster-agent "]').count(), 1, 'it is installed once');
    await page.getByText('connected', { exact: true }).waitFor({ timeout: LIVE_MS });
  }
  await person.look('the software of a device after a downgrade of its agent');
  // The packages of other versions hold the program of this one.
  await page.getByRole('tab', { name: 'Facts' }).click();
  await page.locator('.facts dt', { hasText: /^Agent$/ }).locator('+ dd').getByText(VERSION, { exact: true }).waitFor();
});

test('after the server went down a version again everything goes on as well', async () => {
  await serverBecomes(BEFORE);
  await says('after the downgrade', 3);
  assert.deepEqual(person.errors, []);
});
