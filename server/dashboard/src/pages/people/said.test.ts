import { expect, test } from 'vitest';
import { gotWords, linesOf } from './said';

test('what a change came to counts its devices', () => {
  expect(gotWords(0)).toBe('No device gets another state by it.');
  expect(gotWords(1)).toBe('1 device got a newer state.');
  expect(gotWords(12)).toBe('12 devices got a newer state.');
});

test('keys are taken a line each, without empty lines', () => {
  expect(linesOf(' ssh-ed25519 A a\n\n  ssh-rsa B b \n')).toEqual(['ssh-ed25519 A a', 'ssh-rsa B b']);
});
