import { expect, test } from 'vitest';
import { causeWords, rowWords } from './cause';

test('the outcome becomes the badge and the rest the text', () => {
  expect(causeWords({ kind: 'resource', problem: 'drifted: mode is "0666", should be "0644"' })).toEqual({
    word: 'drifted',
    text: 'mode is "0666", should be "0644"',
  });
});

test('a problem that is all in its word is still said', () => {
  expect(causeWords({ kind: 'check', problem: 'fails' })).toEqual({ word: 'fail', text: 'fails' });
});

test('a name keeps its letters', () => {
  const problem = 'failed: no-such.service: the unit is not installed';
  expect(causeWords({ kind: 'resource', problem }).text).toBe('no-such.service: the unit is not installed');
});

test('a state that was not applied yet is unknown, not waiting for an admin', () => {
  expect(causeWords({ kind: 'pending', problem: 'generation 3 is wanted, 2 was applied last' }).word).toBe(
    'unknown',
  );
  expect(causeWords({ kind: 'pending', problem: "waits for an admin's approval" }).word).toBe('pending');
});

test('what keeps a device from a newer state is named by its kind', () => {
  const problem = 'a newer state waits while it is paused: base@1 becomes base@2';
  expect(causeWords({ kind: 'paused', problem }).word).toBe('paused');
  expect(causeWords({ kind: 'removal', problem: 'a newer state waits for a removal' }).word).toBe('removal');
});

test('a row of evidence is one bounded line', () => {
  expect(rowWords({ username: 'bob', uid: 1001 })).toBe('username=bob uid=1001');
  expect(rowWords({ text: 'x'.repeat(500) }).length).toBeLessThan(100);
});

test('a device that its owner paused is shown as paused', () => {
  expect(causeWords({ kind: 'paused_there', problem: 'paused on the device until noon: a fair' }).word).toBe('paused');
});

test('a clock that is wrong is for somebody to set, and nothing unknown', () => {
  const problem = "its clock is 2200 days behind this server's; leases go by the server's, certificates by both";
  expect(causeWords({ kind: 'clock', problem })).toEqual({ word: 'clock', text: problem });
});
