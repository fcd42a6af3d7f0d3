import { expect, test } from 'vitest';
import { cell, csv } from './csv';

test('what a spreadsheet would run is shown instead', () => {
  expect(cell("=cmd|' /C calc'!A0")).toBe("'=cmd|' /C calc'!A0");
  for (const text of ['+1', '-1', '@SUM(A1)', '\tx']) expect(cell(text).startsWith("'")).toBe(true);
  expect(cell('lap-ada')).toBe('lap-ada');
});

test('what turns a line around is written out', () => {
  expect(cell('a\u202eb')).toBe('a⟨U+202E⟩b');
});

test('quotes, commas and line ends stay within their cell', () => {
  expect(csv(['name', 'labels'], [['a"b', 'x,y']])).toBe('name,labels\r\n"a""b","x,y"\r\n');
});
