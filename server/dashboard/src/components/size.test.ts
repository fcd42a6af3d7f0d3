import { expect, test } from 'vitest';
import { sized, sizedExactly } from './size';

test('a size has the unit that it reaches', () => {
  expect(sized(0)).toBe('0 bytes');
  expect(sized(1)).toBe('1 byte');
  expect(sized(1023)).toBe('1023 bytes');
  expect(sized(1536)).toBe('1.5 KiB');
  expect(sized(1024 * 1024 - 1)).toBe('1,023 KiB');
  expect(sized(4 * 1024 ** 3)).toBe('4 GiB');
  expect(sized(5000 * 1024 ** 4)).toBe('5,000 TiB');
});

test('the exact number stands behind a size that is rounded, and only there', () => {
  expect(sizedExactly(15)).toBe('15 bytes');
  expect(sizedExactly(1537)).toBe('1.5 KiB (1,537 bytes)');
});
