// Thirty days as a stacked bar: zero-based, and a day without data is a gap, not a zero.
import type { Compliance, ComplianceCounts, Day } from '../api/types';

const DAY_MS = 86_400_000;
const SPAN = 30;

/** From the bottom up. */
export const STACK: Compliance[] = ['compliant', 'failing', 'unknown', 'stale', 'unmanaged'];

/** One column of the chart; `counts` is absent for a day without data. */
export interface Column {
  date: string;
  counts?: ComplianceCounts;
}

/** The last thirty days up to `now`, the oldest first, each with its data if it has any. */
export function columns(days: Day[], now: number): Column[] {
  const known = new Map(days.map((day) => [day.date, day.counts]));
  return Array.from({ length: SPAN }, (_, i) => {
    const date = new Date(now - (SPAN - 1 - i) * DAY_MS).toISOString().slice(0, 10);
    return { date, counts: known.get(date) };
  });
}

/** The top of the scale: the least of 1, 2, 5 times a power of ten that holds every day. */
export function scaleTop(days: Day[]): number {
  const most = Math.max(1, ...days.map((day) => day.counts.total));
  const power = 10 ** Math.floor(Math.log10(most));
  return ([1, 2, 5, 10].find((step) => step * power >= most) ?? 10) * power;
}
