// What the form of a waiver is made of: its last day, the same as a command, and how waivers are said.
import { quoted } from '../../components/quoted';
import { localDay } from '../../components/time';

const DAY_MS = 86_400_000;
/** The whole of the last day counts, so that a year from now must not be over before it. */
const LONGEST = 364;
const USUAL = 30;

/** The days that may be the last: the first, the last, and the one that is offered. */
export function days(now: number): { first: string; last: string; usual: string } {
  const after = (count: number) => localDay(now + count * DAY_MS);
  return { first: after(0), last: after(LONGEST), usual: after(USUAL) };
}

/** The end of a local day, as the server takes it. */
export function endOf(day: string): string {
  return new Date(`${day}T23:59:59`).toISOString().replace('.000Z', 'Z');
}

/** What is asked for in the form. */
export interface Asked {
  check: string;
  target: string;
  reason: string;
  owner: string;
  day: string;
}

/** The same waiver as a command line. */
export function waiverCommand({ check, target, reason, owner, day }: Asked): string {
  const to = target.replace(/^device:/, '') || 'label:…';
  const words = ['muster waiver add', quoted(check), '--to', quoted(to), '--reason', quoted(reason.trim() || '…')];
  if (owner.trim()) words.push('--owner', quoted(owner.trim()));
  return [...words, '--until', day].join(' ');
}

/** The word for a result: a failure that is accepted is not shown as one. */
export function resultWord(row: { verdict: string; waiver?: unknown; waived?: unknown }): string {
  return row.verdict === 'fail' && (row.waiver || row.waived) ? 'waived' : row.verdict;
}
