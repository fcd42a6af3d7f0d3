// "3 min ago", with the absolute time, local and UTC, under the pointer and on focus.
import './Time.css';
import { useSyncExternalStore } from 'react';
import { ago, local, span, utc } from './time';

const TICK_MS = 5000;
let now = Date.now();
let timer: number | undefined;
const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= window.setInterval(() => {
    now = Date.now();
    for (const each of listeners) each();
  }, TICK_MS);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      window.clearInterval(timer);
      timer = undefined;
    }
  };
}

/** The time, coarse, shared by all that show how long ago something was. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => now);
}

interface Props {
  at?: string | null;
  /** Where the absolute time opens to; towards the start of the line unless told. */
  side?: 'start';
  /** What stands for no time. */
  none?: string;
  /** Say how long it lasts by now, in place of how long ago it was. */
  lasting?: boolean;
}

export function Time({ at, side, none = '–', lasting }: Props) {
  const current = useNow();
  if (!at) return <span className="dim">{none}</span>;
  const time = Date.parse(at);
  // A page that has just learnt of something must not place it in the future.
  const seen = time > current && time - current < TICK_MS ? current : time;
  return (
    <time
      className="time"
      dateTime={at}
      data-tip={`${local(time)}\n${utc(time)}`}
      data-side={side}
      // The absolute time has to be reachable without a pointer.
      tabIndex={0}
    >
      {lasting ? span((current - seen) / 1000) : ago(seen, current)}
    </time>
  );
}
