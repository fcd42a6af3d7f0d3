import { expect, test } from 'vitest';
import { causeWords } from './cause';

test('the outcome becomes the badge and the rest the text', () => {
  expect(causeWords({ kind: 'resource', problem: 'drifted: mode is "0666", should be "0644"' })).toEqual({
    word: 'drifted',
    text: 'Mode is "0666", should be "0644"',
  });
});

test('a problem that is all in its word is still said', () => {
  expect(causeWords({ kind: 'check', problem: 'fails' })).toEqual({ word: 'fail', text: 'Fails' });
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
