// An entry of the audit as people read it: devices by their names, and what was recorded in words.
import type { AuditEntry } from '../../api/types';
import { visible, who } from '../../components/visible';

/** A time as it is recorded: nobody reads it to the microsecond. */
const FRACTION = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d+Z$/;

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
  if (typeof value === 'string') return named(row, value.replace(FRACTION, '$1Z'));
  if (Array.isArray(value)) return value.map((each) => words(row, each)).join(', ');
  if (typeof value !== 'object' || value === null) return visible(String(value));
  const pairs = Object.entries(value);
  const { from, to } = value as { from?: unknown; to?: unknown };
  if (pairs.length === 2 && 'from' in value && 'to' in value) return `${words(row, from)} → ${words(row, to)}`;
  return `(${said(row, value as Record<string, unknown>)})`;
}

/** Everything that was recorded beside, but what is nothing, with digests short. */
export function said(row: Named, detail: Record<string, unknown>): string {
  return ordered(detail)
    .filter(([, value]) => !isNothing(value))
    .map(([name, value]) => `${titleOf(name)}: ${isDigest(value) ? `${value.slice(0, DIGEST)}…` : words(row, value)}`)
    .join('; ');
}

/** By what an admin knows an object, in the order in which it is said. */
const KNOWN = ['name', 'profile', 'revision', 'target', 'device'];
/** The characters by which a person knows a digest again: `sha256:` and twelve digits. */
const DIGEST = 19;

/** What was recorded: first what an admin knows, then the rest as it was recorded, digests last. */
export function ordered(detail: Record<string, unknown>): [string, unknown][] {
  const rank = ([name, value]: [string, unknown]) => {
    if (isDigest(value)) return KNOWN.length + 1;
    const known = KNOWN.indexOf(name);
    return known < 0 ? KNOWN.length : known;
  };
  return Object.entries(detail).sort((a, b) => rank(a) - rank(b));
}

function isDigest(value: unknown): value is string {
  return typeof value === 'string' && /^sha256:[0-9a-f]{64}$/.test(value);
}

/** A recorded name as words: `new_devices` is `new devices`. */
export function titleOf(name: string): string {
  return visible(name.replaceAll('_', ' '));
}

function isNothing(value: unknown): boolean {
  if (value === null || value === undefined || value === '') return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}
