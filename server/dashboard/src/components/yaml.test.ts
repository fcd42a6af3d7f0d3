import { expect, test } from 'vitest';
import { offsetOf, tokens } from './yaml';

const kinds = (line: string) => tokens(line).map((t) => `${t.kind}:${t.text.trim()}`);

test('the pieces joined are the line', () => {
  const line = '  - package: { name: telnet, state: absent, note: "SEC-112: no #plaintext" } # why';
  expect(
    tokens(line)
      .map((t) => t.text)
      .join(''),
  ).toBe(line);
});

test('a hash within a text is no comment', () => {
  expect(kinds('note: "a # b" # c')).toEqual([
    'key:note',
    'plain::',
    'text:"a # b"',
    'plain:',
    'comment:# c',
  ]);
});

test('an address is no key', () => {
  expect(kinds('url: https://apt.example.com')).toEqual(['key:url', 'plain:: https://apt.example.com']);
});

test('a place is found from its line and column', () => {
  expect('ab\ncd\nef'[offsetOf('ab\ncd\nef', 2, 2)]).toBe('d');
  expect(offsetOf('ab', 9, 9)).toBe(2);
});
