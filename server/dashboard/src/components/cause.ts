// A cause in the words of badges: the API says "drifted: mode is 0666, should be 0644".
import type { Cause } from '../api/types';
import { shown } from './visible';
import type { Word } from './words';

const SAID: [string, Word][] = [
  ['failed', 'failed'],
  ['blocked', 'blocked'],
  ['drifted', 'drifted'],
  ['waiting', 'waiting'],
  ['not supported by this agent', 'unsupported'],
  ['fails', 'fail'],
  ['could not be found out', 'unknown'],
  ['waits for', 'pending'],
];

const BY_KIND: Record<string, Word> = {
  resource: 'failing',
  check: 'fail',
  stale: 'stale',
  refused: 'refused',
  paused: 'paused',
  paused_there: 'paused',
  removal: 'removal',
  lost: 'lost',
  revoked: 'revoked',
  held: 'held',
  old_certificate: 'held',
  late_return: 'pending',
  clock: 'clock',
};

/** The word of the badge, and what is left to be said beside it. */
export function causeWords(cause: Pick<Cause, 'kind' | 'problem'>): { word: Word; text: string } {
  const said = SAID.find(([phrase]) => cause.problem.startsWith(phrase));
  const word = said?.[1] ?? BY_KIND[cause.kind] ?? 'unknown';
  const rest =
    said && cause.problem.startsWith(`${said[0]}: `)
      ? cause.problem.slice(said[0].length + 2)
      : cause.problem;
  // As it was said: a name at its beginning, such as that of a unit, keeps its letters.
  return { word, text: rest };
}

const VALUE = 80;

/** A row of evidence in a line, long values cut: `username=bob uid=1001`. */
export function rowWords(row: Record<string, unknown>): string {
  const short = (text: string) => (text.length > VALUE ? `${text.slice(0, VALUE)}…` : text);
  return Object.entries(row)
    .map(([name, value]) => `${shown(name)}=${short(shown(value))}`)
    .join(' ');
}
