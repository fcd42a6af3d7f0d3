// When the server was last heard of, and whether its clock is this computer's: pages say how old they are once it is gone,
// and that their times mislead while the clocks differ.
import { useSyncExternalStore } from 'react';

/** What is known of the server. */
export interface Contact {
  /** True from the first failed call until the next good one. */
  isLost: boolean;
  /** Milliseconds since the epoch of the last good answer. */
  last: number;
  /** Seconds that its clock is ahead of this computer's, negative when it is behind; 0 while they agree. */
  ahead: number;
}

/** Clocks that differ by less, in seconds, are taken for the same: answers take a while. */
const SAME = 5 * 60;

let state: Contact = { isLost: false, last: Date.now(), ahead: 0 };
const listeners = new Set<() => void>();

function change(next: Contact) {
  state = next;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** By how many seconds the clock that an answer was dated by is ahead of this one, where it is worth telling. */
export function aheadOf(dated: string | null, now: number): number {
  const ahead = dated ? (Date.parse(dated) - now) / 1000 : 0;
  return Math.abs(ahead) < SAME || Number.isNaN(ahead) ? 0 : Math.round(ahead);
}

export const contact = {
  /** The server answered; `dated` is the time that it gave its answer, if it gave one. */
  made(dated?: string | null) {
    const now = Date.now();
    const found = dated === undefined ? state.ahead : aheadOf(dated, now);
    // A difference that wavers is not told anew with every answer.
    const isSame = found === 0 ? state.ahead === 0 : Math.abs(found - state.ahead) < SAME;
    const next = { isLost: false, last: now, ahead: isSame ? state.ahead : found };
    if (state.isLost || !isSame) change(next);
    else state = next;
  },
  /** The server did not answer. */
  lost() {
    if (!state.isLost) change({ ...state, isLost: true });
  },
};

export function useContact(): Contact {
  return useSyncExternalStore(subscribe, () => state);
}
