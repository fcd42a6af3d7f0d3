// One tab stop for a whole table: arrows move between rows and within a row, Home and End to its ends.
import { type KeyboardEvent, type RefObject, useLayoutEffect, useRef } from 'react';

const STOPS = ':is(a[href], button, time, input)';

function stopsOf(row: Element): HTMLElement[] {
  return [...row.querySelectorAll<HTMLElement>(STOPS)];
}

function rowsOf(table: HTMLElement): HTMLElement[] {
  return [...table.querySelectorAll<HTMLElement>('tr[data-row]')];
}

/** Call with the table's element; gives the handlers to put on it. */
export function useRoving(table: RefObject<HTMLTableElement | null>) {
  const active = useRef<{ row: string; column: number } | null>(null);

  // Rows come and go with every render, so the one tab stop is set anew after each.
  useLayoutEffect(() => {
    const rows = table.current ? rowsOf(table.current) : [];
    const home = rows.find((row) => row.dataset.row === active.current?.row) ?? rows[0];
    for (const row of rows) {
      const stops = stopsOf(row);
      const column = row === home ? Math.min(active.current?.column ?? 0, stops.length - 1) : -1;
      stops.forEach((stop, i) => {
        stop.tabIndex = i === column ? 0 : -1;
      });
    }
  });

  const onFocus = (event: { target: EventTarget }) => {
    const target = event.target as HTMLElement;
    const row = target.closest<HTMLElement>('tr[data-row]');
    if (!row || !table.current) return;
    for (const stop of table.current.querySelectorAll<HTMLElement>(`tr[data-row] ${STOPS}`))
      stop.tabIndex = -1;
    target.tabIndex = 0;
    active.current = { row: row.dataset.row ?? '', column: stopsOf(row).indexOf(target) };
  };

  const onKeyDown = (event: KeyboardEvent) => {
    const target = event.target as HTMLElement;
    const row = target.closest<HTMLElement>('tr[data-row]');
    if (!row || !table.current || event.altKey || event.ctrlKey || event.metaKey) return;
    const rows = rowsOf(table.current);
    const stops = stopsOf(row);
    const at = rows.indexOf(row);
    const column = stops.indexOf(target);
    const inRow = (next: HTMLElement | undefined) => {
      const there = next && stopsOf(next);
      return there?.[Math.min(column, there.length - 1)];
    };
    const next: Record<string, HTMLElement | undefined> = {
      ArrowDown: inRow(rows[at + 1]),
      ArrowUp: inRow(rows[at - 1]),
      ArrowRight: stops[column + 1],
      ArrowLeft: stops[column - 1],
      Home: inRow(rows[0]),
      End: inRow(rows[rows.length - 1]),
    };
    const goal = next[event.key];
    if (!goal) return;
    event.preventDefault();
    goal.focus();
    goal.scrollIntoView({ block: 'nearest' });
  };

  return { onFocus, onKeyDown };
}
