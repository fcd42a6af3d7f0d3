// What a person does away from the pages, at machines and at the command line, is done by who runs the test: an errand is a
// file in a folder that both know, and so is its answer.
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const { ERRANDS } = process.env;
/** Installing packages on a machine takes longest. */
const PATIENCE_MS = 240_000;

let count = 0;

/** Asks for `{ do: 'install', ... }` and gives back what was said to it; throws when it could not be done. */
export async function errand(what) {
  count += 1;
  const asked = join(ERRANDS, `${count}.json`);
  await writeFile(`${asked}.part`, JSON.stringify(what));
  await rename(`${asked}.part`, asked);
  const answered = join(ERRANDS, `${count}.answer`);
  for (const began = Date.now(); Date.now() - began < PATIENCE_MS; await pause(50)) {
    const text = await readFile(answered, 'utf8').catch((error) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (text === undefined) continue;
    const { said, failed } = JSON.parse(text);
    if (failed !== null) throw new Error(`${JSON.stringify(what).slice(0, 200)}: ${failed}`);
    return said;
  }
  throw new Error(`nobody did ${JSON.stringify(what).slice(0, 200)}`);
}
