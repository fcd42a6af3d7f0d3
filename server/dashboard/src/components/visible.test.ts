import { expect, test } from 'vitest';
import { shown, visible, who } from './visible';

test('a terminal escape is written out', () => {
  expect(visible('a\u001b[31mred')).toBe('a⟨U+001B⟩[31mred');
});

test('text that runs backwards is written out', () => {
  expect(visible('exe.\u202egpj')).toBe('exe.⟨U+202E⟩gpj');
});

test('lines and letters of any script stay', () => {
  expect(visible('Zoë\n\tŁódź 東京')).toBe('Zoë\n\tŁódź 東京');
});

test('nothing is a dash and the rest is JSON', () => {
  expect(shown(null)).toBe('–');
  expect(shown(0)).toBe('0');
  expect(shown(['sudo', 'adm'])).toBe('["sudo","adm"]');
});

test('an admin is named without the kind of actor', () => {
  expect(who('admin:kim')).toBe('kim');
  expect(who('token:ci')).toBe('token:ci');
});
