import { expect, test } from 'vitest';
import { actorOf, said } from './words';

const ID = '0190d9a4-8e9c-7c3e-9d3e-0d6d8f1f2a3b';
const row = { names: { [ID]: 'lap-ada' } };

test('devices are called by their names, and admins without their kind', () => {
  expect(actorOf({ ...row, actor: `device:${ID}` })).toBe('device:lap-ada');
  expect(actorOf({ actor: 'admin:kim' })).toBe('kim');
});

test('what was recorded is said in words, and what is nothing is not', () => {
  const detail = { device: ID, labels: { from: [], to: ['laptop', 'dev'] }, new_devices: [{ step: 2, last: true }], why: null };
  expect(said(row, detail)).toBe('device: lap-ada; labels: none → laptop, dev; new devices: (step: 2; last: yes)');
});
