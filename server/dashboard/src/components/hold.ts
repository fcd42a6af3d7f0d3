// Rows never move under the pointer: while it rests on a table, what is shown keeps its order.

/** What is shown now, and how many rows would come, go or move when the newest order is taken. */
export interface Held<T> {
  rows: T[];
  updates: number;
}

/** Keeps the order of `shown` with the newest contents of `fresh`. Rows that only come after the last are let in. */
export function hold<T>(shown: T[], fresh: T[], keyOf: (row: T) => string): Held<T> {
  const newest = new Map(fresh.map((row) => [keyOf(row), row]));
  const before = shown.map(keyOf);
  const after = fresh.map(keyOf);
  if (before.every((key, i) => key === after[i])) return { rows: fresh, updates: 0 };

  const known = new Set(before);
  const gone = before.filter((key) => !newest.has(key)).length;
  const come = after.filter((key) => !known.has(key)).length;
  const stayedBefore = before.filter((key) => newest.has(key));
  const stayedAfter = after.filter((key) => known.has(key));
  const moved = stayedAfter.filter((key, i) => key !== stayedBefore[i]).length;
  return { rows: shown.map((row) => newest.get(keyOf(row)) ?? row), updates: gone + come + moved };
}
