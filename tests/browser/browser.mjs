// A Chromium page that fails the test on any error in its console, asks axe about what it shows, and keeps pictures of it.
import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
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
const THEMES = ['dark', 'light'];
const WIDE = { width: 1280, height: 900 };
const NARROW = { width: 390, height: 844 };
const { IMAGES } = process.env;

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
    permissions: ['clipboard-read', 'clipboard-write'],
  });
  const page = await context.newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => {
    // Chromium gives a request up when a network interface appears on this machine, as with each device that boots.
    if (message.text().includes('net::ERR_NETWORK_CHANGED')) return;
    if (['error', 'warning'].includes(message.type())) errors.push(message.text());
  });
  return { page, errors };
}

/** A person at the pages of the server at `base`. */
export class Person {
  /** Starts a browser of their own. */
  static async begin(base) {
    const browser = await launch();
    return Object.assign(new Person(), { base, browser, ...(await open(browser)) });
  }

  end() {
    return this.browser.close();
  }

  /** Chromium gives a page up when a device is plugged into its network meanwhile. */
  async go(url) {
    for (let turn = 0; ; turn += 1) {
      try {
        await this.page.goto(url);
        return;
      } catch (error) {
        if (turn === 20 || !error.message.includes('ERR_NETWORK_CHANGED')) throw error;
        await this.page.waitForTimeout(500);
      }
    }
  }

  /** Opens a page and waits until everything on it is loaded. */
  async visit(path) {
    await this.go(`${this.base}${path}`);
    await this.page.getByRole('heading', { level: 1 }).waitFor();
    await this.page.locator('[aria-busy="true"], .bone').first().waitFor({ state: 'detached' });
  }

  /** The page of the navigation with this name. */
  async turnTo(label) {
    await this.page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: label, exact: true }).click();
  }

  async logIn(name, password) {
    await this.go(`${this.base}/login`);
    await this.page.getByLabel('Name').fill(name);
    await this.page.getByLabel('Password', { exact: true }).fill(password);
    await this.page.getByLabel('Password', { exact: true }).press('Enter');
    await this.page.getByRole('navigation', { name: 'Pages' }).waitFor();
  }

  /** Saves the profile in the editor, which one device follows: the page says first whom that gives it to. */
  async saveForFollowers() {
    await this.page.getByRole('button', { name: 'Save revision' }).click();
    await this.page.getByRole('dialog').getByRole('button', { name: 'Save and give to 1 device' }).click();
  }

  /** Takes one refusal of the server from what the console has said: it was provoked. */
  forgive(status) {
    const at = this.errors.findIndex((error) => error.includes(`status of ${status}`));
    assert.ok(at >= 0, `nothing was refused with ${status}: ${this.errors.join('; ')}`);
    this.errors.splice(at, 1);
  }

  /** Takes from what the console has said that the server was away: it was stopped for a moment. */
  forgiveAbsence() {
    const others = this.errors.filter((error) => !error.includes('net::ERR_'));
    this.errors.splice(0, this.errors.length, ...others);
  }

  /** Asserts that what is shown is clean in both themes and on a telephone, and that the console has said nothing. */
  async look(name) {
    const size = this.page.viewportSize();
    for (const theme of THEMES) {
      await this.#wear(theme);
      await assertAccessible(this.page, `${name}, ${theme}`);
    }
    await this.page.setViewportSize({ width: 375, height: 812 });
    await assertNoSidewaysScroll(this.page, name);
    await this.#keepImages(name);
    await this.page.setViewportSize(size);
    assert.deepEqual(this.errors, [], `the console on ${name}`);
  }

  /** Asserts that a telephone shows this in a row of a table, and that its cell cuts nothing of it. */
  async assertWholeWhenNarrow(text) {
    const size = this.page.viewportSize();
    await this.page.setViewportSize(NARROW);
    await text.waitFor();
    const cut = await text.evaluate((element) => {
      const cell = element.closest('td');
      return cell.scrollWidth - cell.clientWidth;
    });
    assert.ok(cut <= 0, `${cut} px of "${await text.innerText()}" are cut`);
    await this.page.setViewportSize(size);
  }

  /** The view in both themes as it is now, wide, for a reader of the documentation. */
  async picture(name) {
    if (!IMAGES) return;
    await mkdir(IMAGES, { recursive: true });
    for (const theme of THEMES) {
      await this.#wear(theme);
      await this.page.screenshot({ path: join(IMAGES, `${name}-${theme}.png`) });
    }
  }

  async #wear(colorScheme) {
    await this.page.emulateMedia({ colorScheme });
    await this.page.locator(`html[data-mantine-color-scheme="${colorScheme}"]`).waitFor();
  }

  /** Each view in both themes, wide and narrow, whole, to be looked at by a person. */
  async #keepImages(name) {
    if (!IMAGES) return;
    const folder = join(IMAGES, 'looks');
    await mkdir(folder, { recursive: true });
    for (const size of [WIDE, NARROW]) {
      await this.page.setViewportSize(size);
      for (const theme of THEMES) {
        await this.#wear(theme);
        const file = `${name.replaceAll(/[^a-z0-9]+/gi, '-')}-${size.width}-${theme}.png`;
        await this.page.screenshot({ path: join(folder, file), fullPage: true });
      }
    }
  }
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
