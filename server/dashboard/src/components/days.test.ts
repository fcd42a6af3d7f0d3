import { expect, test } from 'vitest';
import type { Compliance, ComplianceCounts, Day } from '../api/types';
import { columns, STACK, scaleTop } from './days';

const counts = (total: number): ComplianceCounts => ({
  total,
  compliant: total,
  failing: 0,
  unknown: 0,
  stale: 0,
  unmanaged: 0,
});
const day = (date: string, total = 3): Day => ({ date, counts: counts(total) });
const NOW = Date.parse('2026-11-23T08:00:00Z');

test('a day without data is a gap in its place', () => {
  const shown = columns<Compliance>([day('2026-11-21'), day('2026-11-23')], NOW);
  expect(shown).toHaveLength(30);
  expect(shown[29]).toEqual(day('2026-11-23'));
  expect(shown[28]).toEqual({ date: '2026-11-22', counts: undefined });
  expect(shown[27]?.counts?.compliant).toBe(3);
  expect(shown[0]?.date).toBe('2026-10-25');
});

test('the scale ends at a round number that holds all', () => {
  expect(scaleTop([], STACK)).toBe(1);
  expect(scaleTop([day('2026-11-23', 3)], STACK)).toBe(5);
  expect(scaleTop([day('2026-11-23', 48)], STACK)).toBe(50);
  expect(scaleTop([day('2026-11-23', 100)], STACK)).toBe(100);
});
