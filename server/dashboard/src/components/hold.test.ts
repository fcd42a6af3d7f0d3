import { expect, test } from 'vitest';
import { hold } from './hold';

const row = (key: string, n = 0) => ({ key, n });
const keyOf = (r: { key: string }) => r.key;
const keys = (rows: { key: string }[]) => rows.map(keyOf).join('');

test('contents are new while the order is old', () => {
  const held = hold([row('a'), row('b')], [row('b', 2), row('a', 1)], keyOf);
  expect(held.rows).toEqual([row('a', 1), row('b', 2)]);
  expect(held.updates).toBe(1);
});

test('a row that has gone stays until the pointer leaves', () => {
  const held = hold([row('a'), row('b')], [row('b')], keyOf);
  expect(keys(held.rows)).toBe('ab');
  expect(held.updates).toBe(1);
});

test('a row that came above waits', () => {
  const held = hold([row('b')], [row('a'), row('b')], keyOf);
  expect(keys(held.rows)).toBe('b');
  expect(held.updates).toBe(1);
});

test('the next page is let in', () => {
  const held = hold([row('a')], [row('a'), row('b')], keyOf);
  expect(keys(held.rows)).toBe('ab');
  expect(held.updates).toBe(0);
});

test('one row that moved is one update however far it went', () => {
  const held = hold(
    [row('a'), row('b'), row('c'), row('d')],
    [row('b'), row('c'), row('d'), row('a')],
    keyOf,
  );
  expect(held.updates).toBe(1);
});
