// What the form of an assignment is made of: the parameters of a revision, and the same as a command.
import type { NewAssignment, Replaced } from '../../api/types';
import { quoted } from '../../components/quoted';
import { type Terms, termWords } from './terms';

export interface Param {
  name: string;
  type: string;
  default?: string;
  description?: string;
}

/** The parameters that a revision's document defines. */
export function paramsOf(document: unknown): Param[] {
  const params = (document as { params?: Record<string, Omit<Param, 'name'>> } | undefined)?.params ?? {};
  return Object.entries(params).map(([name, param]) => ({ ...param, name }));
}

/** The values that are sent: those of the chosen revision that are filled in. */
export function given(params: Param[], values: Record<string, string>): Record<string, string> {
  const filled = params.filter((param) => values[param.name]);
  return Object.fromEntries(filled.map((param) => [param.name, values[param.name] ?? '']));
}

/** The same assignment as a command line; with terms, step by step. */
export function commandOf(asked: NewAssignment, terms?: Terms): string {
  const words = ['muster assign', `${asked.profile}@${asked.revision}`, '--to', asked.target || 'label:…'];
  if (asked.mode === 'audit') words.push('--mode audit');
  if (asked.precedence) words.push(`--precedence ${asked.precedence}`);
  for (const [name, value] of Object.entries(asked.params ?? {})) {
    words.push(`--param ${name}=${quoted(value)}`);
  }
  if (asked.follow) words.push('--follow');
  if (terms) words.push(termWords(terms));
  return words.join(' ');
}

/** What an assignment takes the place of, and what is kept of that. */
export function replacesWords({ revision, kept, gone }: Replaced): string {
  const parts = [
    kept.length > 0 && `keeps ${kept.join(', ')}`,
    gone.length > 0 && `${gone.join(', ')} no longer in the profile`,
  ].filter(Boolean);
  return `Replaces ${revision}${parts.length > 0 ? ` (${parts.join('; ')})` : ''}.`;
}
