import { expect, test } from 'vitest';
import { heldLines } from './held';
import { lostCommand } from './lost';

test('a reason is quoted for a shell, and left out when there is none', () => {
  expect(lostCommand('lap-ada', ' ')).toBe('muster device lost lap-ada');
  expect(lostCommand('lap-ada', "in Ada's train")).toBe(
    "muster device lost lap-ada --reason 'in Ada'\\''s train'",
  );
});

test('what a device held is said a line each, the unknown as unknown', () => {
  const held = {
    accounts: ['ada'],
    profiles: ['base@3'],
    ssh_keys: [],
    passwords: [{ account: 'ada', revealed_to: null }],
    disk: { encrypted: [], plain: [] },
  };
  expect(heldLines({ held })).toEqual([
    'Profiles it held: base@3',
    'Accounts it held: ada',
    'First-login password of ada: revealed to nobody',
    'Disk encryption at last contact: unknown, it never said',
  ]);
});
