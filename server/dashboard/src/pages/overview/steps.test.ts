import { expect, test } from 'vitest';
import type { ComplianceCounts, Profile } from '../../api/types';
import { firstSteps } from './steps';

const counts = (total: number, compliant: number): ComplianceCounts => ({
  total,
  compliant,
  failing: total - compliant,
  unknown: 0,
  stale: 0,
  unmanaged: 0,
});
const done = (...known: Parameters<typeof firstSteps>) =>
  firstSteps(...known)
    .filter((step) => step.isDone)
    .map((step) => step.id);

test('a new server has done nothing but to be there', () => {
  expect(done({ counts: counts(0, 0), profiles: [], tokens: [] })).toEqual(['setup']);
});

test('a device that enrolled had a token, whatever became of it', () => {
  const base = { name: 'base', devices: 1 } as Profile;
  expect(done({ counts: counts(1, 0), profiles: [base], tokens: [] })).toEqual([
    'setup',
    'profile',
    'token',
    'enroll',
    'assign',
  ]);
  expect(done({ counts: counts(1, 1), profiles: [base], tokens: [] })).toHaveLength(6);
});
