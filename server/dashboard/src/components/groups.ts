// Putting rows together: by day, and by how much they need a reader.
import type { HistoryEntry } from '../api/types';
import { localDay } from './time';
import { weight } from './words';

/** The entries of one day. */
export interface DayGroup {
  day: string;
  entries: HistoryEntry[];
}

/** Entries that are already the newest first, by their local day. */
export function byDay(entries: HistoryEntry[]): DayGroup[] {
  const groups: DayGroup[] = [];
  for (const entry of entries) {
    const day = localDay(Date.parse(entry.at));
    const last = groups.at(-1);
    if (last?.day === day) last.entries.push(entry);
    else groups.push({ day, entries: [entry] });
  }
  return groups;
}

/** What is not as it should be first, else by name. */
export function worstFirst<T>(rows: T[], wordOf: (row: T) => string, nameOf: (row: T) => string): T[] {
  return [...rows].sort(
    (a, b) => weight(wordOf(a)) - weight(wordOf(b)) || nameOf(a).localeCompare(nameOf(b), 'en'),
  );
}

/** How many rows say each word, the worst word first. */
export function tally<T>(rows: T[], wordOf: (row: T) => string): [string, number][] {
  const counts = new Map<string, number>();
  for (const row of rows) counts.set(wordOf(row), (counts.get(wordOf(row)) ?? 0) + 1);
  return [...counts].sort(([a], [b]) => weight(a) - weight(b) || a.localeCompare(b, 'en'));
}
