// An entry of the audit as people read it: devices by their names, and what was recorded in words.
import type { AuditEntry } from '../../api/types';
import { visible, who } from '../../components/visible';

type Named = Pick<AuditEntry, 'names'>;

/** A text that may be the id of a device, as that device's name. */
export function named({ names = {} }: Named, text: string): string {
  return visible(names[text] ?? text);
}

/** Who did it, such as `kim` or `device:lap-ada`. */
export function actorOf(row: Named & Pick<AuditEntry, 'actor'>): string {
  const id = row.actor.startsWith('device:') ? row.actor.slice('device:'.length) : undefined;
  return id === undefined ? who(row.actor) : `device:${named(row, id)}`;
}

/** A change as `old → new`, a list by its things, and what is nothing as none. */
export function words(row: Named, value: unknown): string {
  if (isNothing(value)) return 'none';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'string') return named(row, value);
  if (Array.isArray(value)) return value.map((each) => words(row, each)).join(', ');
  if (typeof value !== 'object' || value === null) return visible(String(value));
  const pairs = Object.entries(value);
  const { from, to } = value as { from?: unknown; to?: unknown };
  if (pairs.length === 2 && 'from' in value && 'to' in value) return `${words(row, from)} → ${words(row, to)}`;
  return `(${said(row, value as Record<string, unknown>)})`;
}

/** Everything that was recorded beside, but what is nothing. */
export function said(row: Named, detail: Record<string, unknown>): string {
  return Object.entries(detail)
    .filter(([, value]) => !isNothing(value))
    .map(([name, value]) => `${titleOf(name)}: ${words(row, value)}`)
    .join('; ');
}

/** A recorded name as words: `new_devices` is `new devices`. */
export function titleOf(name: string): string {
  return visible(name.replaceAll('_', ' '));
}

function isNothing(value: unknown): boolean {
  if (value === null || value === undefined || value === '') return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}
