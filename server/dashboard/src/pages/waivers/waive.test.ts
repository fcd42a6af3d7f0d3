import { expect, test } from 'vitest';
import type { Waiver } from '../../api/types';
import { coveredBy } from '../../api/fleet';
import { days, endOf, resultWord, waivedByCheck, waiverCommand } from './waive';

const YEAR_MS = 365 * 86_400_000;

test('the last day that is offered ends within a year', () => {
  const now = new Date(2026, 10, 26, 0, 0, 1).getTime();
  const { first, last, usual } = days(now);
  expect([first, usual]).toEqual(['2026-11-26', '2026-12-26']);
  expect(Date.parse(endOf(last)) - now).toBeLessThanOrEqual(YEAR_MS);
  expect(Date.parse(endOf(first))).toBeGreaterThan(now);
});

test('the command names the device without its kind and quotes what a shell would split', () => {
  const asked = { check: 'disk', target: 'device:lap-ada', reason: "Ada's new disk", owner: '', day: '2026-12-01' };
  expect(waiverCommand(asked)).toBe(
    "muster waiver add disk --to lap-ada --reason 'Ada'\\''s new disk' --until 2026-12-01",
  );
  expect(waiverCommand({ ...asked, target: 'everyone', owner: 'ciso' })).toContain('--to everyone');
  expect(waiverCommand({ ...asked, owner: 'ciso' })).toContain('--owner ciso');
});

test('failures are counted by check over all waivers', () => {
  const waiver = (check: string, devices: number) => ({ check, devices }) as Waiver;
  const counts = waivedByCheck([waiver('a', 2), waiver('b', 0), waiver('a', 1)]);
  expect([...counts]).toEqual([
    ['a', 3],
    ['b', 0],
  ]);
});

test('only a failure is waived', () => {
  expect(resultWord({ verdict: 'fail', waiver: {} })).toBe('waived');
  expect(resultWord({ verdict: 'fail', waiver: null })).toBe('fail');
  expect(resultWord({ verdict: 'pass', waiver: {} })).toBe('pass');
});

test('the report says which waiver covers which failure', () => {
  const row = (device: string, standing: 'waived' | 'failing', waiver?: string) => ({
    device,
    standing,
    waiver,
    profile: 'base@1',
  });
  const counts = { passing: 0, failing: 0, unknown: 0, waived: 0, not_applicable: 0 };
  const check = (id: string, rows: ReturnType<typeof row>[]) => ({
    check: id,
    title: id,
    severity: 'high' as const,
    counts,
    rows,
  });
  const control = {
    control: '-',
    counts,
    days: [],
    checks: [check('a', [row('one', 'waived', 'wa-1'), row('two', 'failing')]), check('b', [row('two', 'waived', 'wa-2')])],
  };
  expect(coveredBy({ controls: [control] })).toEqual({ 'one a': 'wa-1', 'two b': 'wa-2' });
});
