// Thirty days as a stacked bar: zero-based, and a day without data is a gap, not a zero.
import type { Compliance, Verdict } from '../api/types';

const DAY_MS = 86_400_000;
const SPAN = 30;

/** Devices by compliance, from the bottom up. */
export const STACK: Compliance[] = ['compliant', 'failing', 'unknown', 'stale', 'unmanaged'];
/** Devices by what a check finds, from the bottom up. */
export const VERDICTS: Verdict[] = ['pass', 'fail', 'unknown', 'not_applicable'];
/** What results are narrowed to: failures are those that are accepted and those that are not. */
export const FINDINGS = ['pass', 'fail', 'unwaived', 'waived', 'unknown', 'not_applicable'] as const;

/** How many there were of each word. */
export type Counts<W extends string> = Record<W, number>;

/** One day with its numbers. */
export interface DayOf<W extends string> {
  date: string;
  counts: Counts<W>;
}

/** One column of the chart; `counts` is absent for a day without data. */
export interface Column<W extends string> {
  date: string;
  counts?: Counts<W>;
}

/** The last thirty days up to `now`, the oldest first, each with its data if it has any. */
export function columns<W extends string>(days: DayOf<W>[], now: number): Column<W>[] {
  const known = new Map(days.map((day) => [day.date, day.counts]));
  return Array.from({ length: SPAN }, (_, i) => {
    const date = new Date(now - (SPAN - 1 - i) * DAY_MS).toISOString().slice(0, 10);
    return { date, counts: known.get(date) };
  });
}

/** All of a day together. */
export function totalOf<W extends string>(counts: Counts<W>, stack: readonly W[]): number {
  return stack.reduce((sum, word) => sum + counts[word], 0);
}

/** The top of the scale: the least of 1, 2, 5 times a power of ten that holds every day. */
export function scaleTop<W extends string>(days: DayOf<W>[], stack: readonly W[]): number {
  const most = Math.max(1, ...days.map((day) => totalOf(day.counts, stack)));
  const power = 10 ** Math.floor(Math.log10(most));
  return ([1, 2, 5, 10].find((step) => step * power >= most) ?? 10) * power;
}
