import { expect, test } from 'vitest';
import type { HistoryEntry } from '../api/types';
import { byDay, tally, worstFirst } from './groups';

const entry = (at: string): HistoryEntry => ({
  at,
  recorded: at,
  event: 'changed',
  text: '',
  differences: [],
});

test('entries of one day stand together', () => {
  const groups = byDay([
    entry('2026-11-23T12:00:00Z'),
    entry('2026-11-23T11:00:00Z'),
    entry('2026-11-20T12:00:00Z'),
  ]);
  expect(groups.map((g) => g.entries.length)).toEqual([2, 1]);
});

test('red comes before amber, grey and green', () => {
  const words = ['kept', 'not_applicable', 'failed', 'blocked', 'repaired'];
  expect(worstFirst(words, String, String)).toEqual([
    'failed',
    'blocked',
    'not_applicable',
    'kept',
    'repaired',
  ]);
});

test('words are counted, the worst first', () => {
  expect(tally(['kept', 'failed', 'kept'], String)).toEqual([
    ['failed', 1],
    ['kept', 2],
  ]);
});
