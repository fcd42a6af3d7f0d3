// What a lost device held, as sentences.
import type { LostView } from '../../api/types';

/** What it held, what it did, and how its disk was, a line each. */
export function heldLines({ held, receipt }: Pick<LostView, 'held' | 'receipt'>): string[] {
  const lines: string[] = [];
  if (receipt) lines.push(`Accounts it locked: ${receipt.locked.join(', ') || 'none'}`);
  for (const fault of receipt?.faults ?? []) lines.push(`Not done: ${fault}`);
  if (held.profiles.length > 0) lines.push(`Profiles it held: ${held.profiles.join(', ')}`);
  if (held.accounts.length > 0) lines.push(`Accounts it held: ${held.accounts.join(', ')}`);
  for (const key of held.ssh_keys) lines.push(`SSH key it let in: ${key}`);
  for (const { account, revealed_to } of held.passwords) {
    lines.push(`First-login password of ${account}: revealed to ${revealed_to ?? 'nobody'}`);
  }
  lines.push(diskLine(held.disk));
  return lines;
}

function diskLine(disk: LostView['held']['disk']): string {
  if (!disk.reported) return 'Disk encryption at last contact: unknown, it never said';
  const encrypted = disk.encrypted.join(', ') || 'none';
  const plain = disk.plain.length > 0 ? `; not encrypted: ${disk.plain.join(', ')}` : '';
  return `Disk encryption at last contact: ${encrypted}${plain}`;
}
