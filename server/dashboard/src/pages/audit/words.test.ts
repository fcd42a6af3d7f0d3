import { expect, test } from 'vitest';
import { actorOf, ordered, said } from './words';

const ID = '0190d9a4-8e9c-7c3e-9d3e-0d6d8f1f2a3b';
const row = { names: { [ID]: 'lap-ada' } };

test('devices are called by their names, and admins without their kind', () => {
  expect(actorOf({ ...row, actor: `device:${ID}` })).toBe('device:lap-ada');
  expect(actorOf({ actor: 'admin:kim' })).toBe('kim');
});

test('what an admin knows is said first, a time to the second, and a digest last and short', () => {
  const digest = `sha256:${'0123456789abcdef'.repeat(4)}`;
  const detail = { digest, expires: '2027-02-25T20:31:56.538261Z', profile: 'base', revision: 3 };
  expect(said(row, detail)).toBe('profile: base; revision: 3; expires: 2027-02-25T20:31:56Z; digest: sha256:0123456789ab…');
  expect(ordered(detail).at(-1)).toEqual(['digest', digest]);
});

test('what was recorded is said in words, and what is nothing is not', () => {
  const detail = { device: ID, labels: { from: [], to: ['laptop', 'dev'] }, new_devices: [{ step: 2, last: true }], why: null };
  expect(said(row, detail)).toBe('device: lap-ada; labels: none → laptop, dev; new devices: (step: 2; last: yes)');
});
