import { describe, expect, test } from 'vitest';
import { ago, span, utc } from './time';

const NOW = Date.parse('2026-11-23T09:00:00Z');
const past = (seconds: number) => ago(NOW - seconds * 1000, NOW);

describe('ago', () => {
  test('seconds are counted from ten on', () => {
    expect(past(3)).toBe('just now');
    expect(past(42)).toBe('42 s ago');
  });
  test('the largest whole unit is named', () => {
    expect(past(3 * 60 + 59)).toBe('3 min ago');
    expect(past(5 * 3600)).toBe('5 h ago');
    expect(past(86_400)).toBe('1 day ago');
    expect(past(9 * 86_400)).toBe('9 days ago');
  });
  test('days are counted up to sixty', () => {
    expect(past(59 * 86_400)).toBe('59 days ago');
    expect(past(60 * 86_400)).toBe('2 months ago');
  });
  test('what is to come is said so', () => {
    expect(ago(NOW + 12 * 86_400_000 + 1000, NOW)).toBe('in 12 days');
  });
});

test('a length below nothing is nothing', () => {
  expect(span(-5)).toBe('0 s');
});

test('UTC has no fractions', () => {
  expect(utc(Date.parse('2026-11-23T08:14:02.123Z'))).toBe('2026-11-23 08:14:02 UTC');
});
