import { expect, test } from 'vitest';
import { nameIn, STARTER } from './starter';

test('a text names its profile, whatever stands around the name', () => {
  expect(nameIn(STARTER)).toBe('base');
  expect(nameIn('muster: 1\nprofile: "web-server" # ours\n')).toBe('web-server');
});

test('a text without a name, or with none that could be one, names nothing', () => {
  expect(nameIn('muster: 1\nprofile:\nresources: []\n')).toBeUndefined();
  expect(nameIn('profile: ../etc\n')).toBeUndefined();
  expect(nameIn('  profile: nested\n')).toBeUndefined();
});
