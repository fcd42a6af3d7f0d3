import { expect, test } from 'vitest';
import type { Overview, Profile, Stage } from '../../api/types';
import { firstSteps } from './steps';

const overview = (registered: number, total: number, compliant: number): Pick<Overview, 'counts' | 'funnel'> => ({
  counts: { total, compliant, failing: total - compliant, unknown: 0, stale: 0, unmanaged: 0 },
  funnel: [{ stage: 'registered', devices: registered } as Stage],
});
const done = (...known: Parameters<typeof firstSteps>) =>
  firstSteps(...known)
    .filter((step) => step.isDone)
    .map((step) => step.id);

test('a new server has done nothing but to be there', () => {
  expect(done({ overview: overview(0, 0, 0), profiles: [], tokens: [] })).toEqual(['setup']);
});

test('a device is known before it is seen', () => {
  expect(done({ overview: overview(3, 0, 0), profiles: [], tokens: [] })).toEqual(['setup', 'register']);
});

test('a device that enrolled was known and had a token, whatever became of it', () => {
  const base = { name: 'base', devices: 1 } as Profile;
  expect(done({ overview: overview(0, 1, 0), profiles: [base], tokens: [] })).toEqual([
    'setup',
    'register',
    'profile',
    'token',
    'enroll',
    'assign',
  ]);
  expect(done({ overview: overview(0, 1, 1), profiles: [base], tokens: [] })).toHaveLength(7);
});
