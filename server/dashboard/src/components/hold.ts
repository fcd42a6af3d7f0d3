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
  const placeAfter = new Map(after.map((key, i) => [key, i]));
  const places = before.flatMap((key) => placeAfter.get(key) ?? []);
  const moved = places.length - longestRising(places);
  return { rows: shown.map((row) => newest.get(keyOf(row)) ?? row), updates: gone + come + moved };
}

/** The length of the longest rising subsequence: what is not in it has to move. */
function longestRising(numbers: number[]): number {
  const ends: number[] = [];
  for (const number of numbers) ends[firstNotBelow(ends, number)] = number;
  return ends.length;
}

/** Where in rising numbers the first stands that is not below `number`; lists have ten thousand rows, so by halves. */
function firstNotBelow(rising: number[], number: number): number {
  let [low, high] = [0, rising.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((rising[middle] ?? 0) < number) low = middle + 1;
    else high = middle;
  }
  return low;
}
