// The opening sentence in parts, so that each number opens exactly its rows.
import type { Compliance, DeviceState } from '../api/types';

/** A piece of the sentence; with `opens` it is a number that leads to those devices. */
export interface SentencePart {
  text: string;
  opens?: { compliance: Compliance } | { state: DeviceState };
}

const NUMBER = /(\d+)(?= of \d+ compliant\b)|(\d+)(?= (failing|unknown|stale|with nothing assigned|held|lost|revoked)\b)/g;

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
    parts.push({ text: whole, opens: opened(word) });
    end = match.index + whole.length;
  }
  upTo(sentence.length);
  return parts;
}

function opened(word: string | undefined): SentencePart['opens'] {
  if (word === 'held' || word === 'lost' || word === 'revoked') return { state: word };
  return { compliance: word === 'with nothing assigned' ? 'unmanaged' : ((word ?? 'compliant') as Compliance) };
}
