import { expect, test } from 'vitest';
import { filterOf, pauseCommand } from './pause';

test('a target means the devices that the server would pause', () => {
  expect(filterOf('everyone')).toEqual({ reached: true });
  expect(filterOf('label:site:berlin')).toEqual({ label: 'site:berlin', reached: true });
  expect(filterOf('profile:base')).toEqual({ profile: 'base' });
  expect(filterOf('device:lap-ada')).toBe('device');
  for (const none of ['', 'label:', 'lap-ada', 'group:x']) expect(filterOf(none)).toBeUndefined();
});

test('a pause is also a command that a shell takes', () => {
  expect(pauseCommand({ target: 'label:laptop', seconds: 14_400, reason: "Ada's fair" })).toBe(
    "muster pause label:laptop --for 4h --reason 'Ada'\\''s fair'",
  );
  expect(pauseCommand({ target: 'everyone', seconds: 604_800 })).toBe('muster pause everyone --for 7d');
});
