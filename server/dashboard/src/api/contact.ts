// When the server was last heard of: pages say how old they are once it is gone.
import { useSyncExternalStore } from 'react';

/** What is known of the server. */
export interface Contact {
  /** True from the first failed call until the next good one. */
  isLost: boolean;
  /** Milliseconds since the epoch of the last good answer. */
  last: number;
}

let state: Contact = { isLost: false, last: Date.now() };
const listeners = new Set<() => void>();

function change(next: Contact) {
  state = next;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export const contact = {
  /** The server answered. */
  made() {
    if (state.isLost) change({ isLost: false, last: Date.now() });
    else state = { isLost: false, last: Date.now() };
  },
  /** The server did not answer. */
  lost() {
    if (!state.isLost) change({ ...state, isLost: true });
  },
};

export function useContact(): Contact {
  return useSyncExternalStore(subscribe, () => state);
}
