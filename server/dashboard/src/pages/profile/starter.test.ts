import { expect, test } from 'vitest';
import { nameIn, starter } from './starter';

test('a text names its profile, whatever stands around the name', () => {
  expect(nameIn(starter([]))).toBe('base');
  expect(nameIn(starter(['base', 'base-2']))).toBe('base-3');
  expect(nameIn('muster: 1\nprofile: "web-server" # ours\n')).toBe('web-server');
});

test('a text without a name, or with none that could be one, names nothing', () => {
  expect(nameIn('muster: 1\nprofile:\nresources: []\n')).toBeUndefined();
  expect(nameIn('profile: ../etc\n')).toBeUndefined();
  expect(nameIn('  profile: nested\n')).toBeUndefined();
});
