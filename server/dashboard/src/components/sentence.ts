// The opening sentence in parts, so that each number opens exactly its rows.
import type { Compliance } from '../api/types';

/** A piece of the sentence; with `opens` it is a number that leads to those devices. */
export interface SentencePart {
  text: string;
  opens?: Compliance;
}

const NUMBER = /(\d+)(?= of \d+ compliant\b)|(\d+)(?= (failing|unknown|stale|with nothing assigned)\b)/g;

/** Splits "41 of 48 compliant; 3 failing, 2 unknown" at its numbers. A sentence it does not know stays whole. */
export function sentenceParts(sentence: string): SentencePart[] {
  const parts: SentencePart[] = [];
  let end = 0;
  const upTo = (index: number) => {
    if (index > end) parts.push({ text: sentence.slice(end, index) });
  };
  for (const match of sentence.matchAll(NUMBER)) {
    upTo(match.index);
    const [whole, , , word] = match;
    const opens = word === 'with nothing assigned' ? 'unmanaged' : ((word ?? 'compliant') as Compliance);
    parts.push({ text: whole, opens });
    end = match.index + whole.length;
  }
  upTo(sentence.length);
  return parts;
}
