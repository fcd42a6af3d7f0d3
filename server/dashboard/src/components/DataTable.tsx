// The one table: 32 px rows, a sticky head, sorting, rows that open, one tab stop, and only the rows in view in the page.
import './DataTable.css';
import { useMediaQuery } from '@mantine/hooks';
import {
  type ColumnDef,
  createSortedRowModel,
  rowSortingFeature,
  type SortingState,
  sortFn_alphanumeric,
  sortFn_basic,
  tableFeatures,
  useTable,
} from '@tanstack/react-table';
import { useWindowVirtualizer } from '@tanstack/react-virtual';
import { type ReactNode, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react';
import { hold } from './hold';
import { Icon } from './Icon';
import { useRoving } from './useRoving';

const features = tableFeatures({
  rowSortingFeature,
  sortedRowModel: createSortedRowModel(),
  sortFns: { alphanumeric: sortFn_alphanumeric, basic: sortFn_basic },
});

const ROW = 32;
/** Shorter tables are drawn whole, so that the browser's own search finds everything. */
const VIRTUAL_FROM = 120;

/** Whether a row is open, and opening or closing it. */
export interface Opening {
  isOpen: boolean;
  toggle: () => void;
}

/** One column. */
export interface Column<T> {
  id: string;
  header: string;
  cell: (row: T, opening: Opening) => ReactNode;
  /** What the rows are sorted by here in the page; absent for a column that can't be sorted. */
  sort?: (row: T) => string | number;
  /** A CSS width; the columns without one share what is left. */
  width?: string;
  align?: 'end';
  /** What stands in the head in place of its name, such as a box that chooses all. */
  head?: ReactNode;
  /** True when the head is for screen readers alone. */
  isQuiet?: boolean;
  /** It takes as many lines as it needs. On a phone it shows what of it is `under` as well, in place of columns that have no room. */
  wraps?: boolean;
  /** From which width of the window on it is shown. */
  from?: 'medium' | 'wide';
}

/** Sorting that the server does: the word sent for a column, and the one in use. */
export interface ServerSort {
  by: Record<string, { word: string; direction: 'ascending' | 'descending' }>;
  current: string;
  onChange: (word: string) => void;
}

interface Props<T> {
  label: string;
  columns: Column<T>[];
  rows: T[] | undefined;
  keyOf: (row: T) => string;
  /** How many rows there are in all, when not all are loaded. */
  total?: number;
  onNearEnd?: () => void;
  serverSort?: ServerSort;
  /** When this changes, the newest order is taken at once: the reader asked for it. */
  asked?: string;
  /** What a row shows when it is open. */
  detail?: (row: T) => ReactNode;
  openKey?: string;
  empty?: ReactNode;
}

export function DataTable<T>(props: Props<T>) {
  if (props.rows && props.rows.length === 0 && props.empty) return <>{props.empty}</>;
  return <FullTable {...props} />;
}

function FullTable<T>(props: Props<T>) {
  const { keyOf, detail, onNearEnd } = props;
  const columns = useFitting(props.columns);
  const [sorting, setSorting] = useState<SortingState>([]);
  const tableRef = useRef<HTMLTableElement>(null);
  const sorted = useSorted(props.rows, columns, sorting, setSorting);
  const { rows, updates, apply, pointer } = useHeld(
    sorted.rows,
    keyOf,
    `${props.asked ?? ''} ${sorting.map((s) => s.id + s.desc).join()}`,
  );
  const roving = useRoving(tableRef);
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set(props.openKey ? [props.openKey] : []));

  const virtual = useVirtualRows(tableRef, rows.length, (i) => keyOf(rows[i] as T));
  const lastInView = virtual.items.at(-1)?.index ?? rows.length - 1;
  useEffect(() => {
    if (rows.length > 0 && lastInView >= rows.length - 20) onNearEnd?.();
  }, [lastInView, rows.length, onNearEnd]);

  const toggle = (key: string) =>
    setOpen((before) => {
      const after = new Set(before);
      if (!after.delete(key)) after.add(key);
      return after;
    });

  return (
    <div className="table-box">
      {updates > 0 && (
        <button type="button" className="updates" onClick={apply}>
          {updates === 1 ? '1 update' : `${updates} updates`}
        </button>
      )}
      <table
        className="table"
        ref={tableRef}
        aria-label={props.label}
        aria-rowcount={(props.total ?? rows.length) + 1}
        aria-busy={props.rows === undefined}
        {...roving}
        {...pointer}
      >
        <thead>
          <tr aria-rowindex={1}>
            {columns.map((column) => (
              <Head
                key={column.id}
                column={column}
                serverSort={props.serverSort}
                state={sorting.find((s) => s.id === column.id)}
                onSort={() => sorted.toggle(column.id)}
              />
            ))}
          </tr>
        </thead>
        {props.rows === undefined && <Bones columns={columns} />}
        <Spacer height={virtual.before} columns={columns.length} />
        {virtual.items.map(({ index, measure }) => {
          const row = rows[index] as T;
          const key = keyOf(row);
          const isOpen = open.has(key);
          const opening = { isOpen, toggle: () => toggle(key) };
          return (
            <tbody key={key} ref={measure} data-index={index}>
              <tr data-row={key} aria-rowindex={index + 2}>
                {columns.map((column, i) => (
                  <td key={column.id} data-align={column.align} data-wraps={column.wraps}>
                    {detail && i === 0 ? (
                      <button
                        type="button"
                        className="disclose"
                        aria-expanded={isOpen}
                        onClick={opening.toggle}
                      >
                        <Icon name="right" size={12} />
                        <span className="ellipsis">{column.cell(row, opening)}</span>
                      </button>
                    ) : (
                      column.cell(row, opening)
                    )}
                  </td>
                ))}
              </tr>
              {detail && isOpen && (
                <tr>
                  <td className="detail" colSpan={columns.length}>
                    {detail(row)}
                  </td>
                </tr>
              )}
            </tbody>
          );
        })}
        <Spacer height={virtual.after} columns={columns.length} />
      </table>
    </div>
  );
}

/**
 * The columns that the window has room for. Those that it has not are not in the page at all: a row that spans all
 * columns would keep the place of hidden ones.
 */
function useFitting<T>(columns: Column<T>[]): Column<T>[] {
  const isNarrow = useMediaQuery('(max-width: 760px)', false, { getInitialValueInEffect: false });
  const isMedium = useMediaQuery('(max-width: 1100px)', false, { getInitialValueInEffect: false });
  return useMemo(
    () =>
      columns
        .filter(({ from }) => !(from === 'medium' && isNarrow) && !(from === 'wide' && isMedium))
        // Shares are of a table with all of its columns: on a phone, one that has a share is too narrow for what it holds.
        .map((column) => (isNarrow && column.width?.endsWith('%') ? { ...column, width: undefined } : column)),
    [columns, isNarrow, isMedium],
  );
}

function useSorted<T>(
  data: T[] | undefined,
  columns: Column<T>[],
  sorting: SortingState,
  onSortingChange: (next: SortingState | ((before: SortingState) => SortingState)) => void,
) {
  const none = useMemo<T[]>(() => [], []);
  const definitions = useMemo<ColumnDef<typeof features, T & object>[]>(
    () =>
      columns.map((column) => ({
        id: column.id,
        accessorFn: (row: T) => column.sort?.(row),
        enableSorting: column.sort !== undefined,
        sortFn: 'alphanumeric' as const,
        sortDescFirst: false,
      })),
    [columns],
  );
  const table = useTable({
    features,
    columns: definitions,
    data: (data ?? none) as (T & object)[],
    state: { sorting },
    onSortingChange,
  });
  const model = table.getRowModel();
  const rows = useMemo(() => model.rows.map((row) => row.original as T), [model]);
  return {
    rows,
    toggle: (id: string) => table.getColumn(id)?.toggleSorting(),
  };
}

function useHeld<T>(fresh: T[], keyOf: (row: T) => string, asked: string) {
  const [rests, setRests] = useState(false);
  const shown = useRef<{ rows: T[]; asked: string }>({ rows: fresh, asked });
  const isAsked = shown.current.asked !== asked;
  const held = rests && !isAsked ? hold(shown.current.rows, fresh, keyOf) : { rows: fresh, updates: 0 };
  useLayoutEffect(() => {
    shown.current = { rows: held.rows, asked };
  });
  return {
    ...held,
    apply: () => {
      setRests(false);
    },
    pointer: {
      onPointerMove: (event: { pointerType: string }) => {
        if (event.pointerType === 'mouse' && !rests) setRests(true);
      },
      onPointerLeave: () => setRests(false),
    },
  };
}

interface VirtualRow {
  index: number;
  measure?: (element: Element | null) => void;
}

function useVirtualRows(
  table: React.RefObject<HTMLTableElement | null>,
  count: number,
  keyOf: (index: number) => string,
) {
  const isVirtual = count >= VIRTUAL_FROM;
  const [top, setTop] = useState(0);
  useLayoutEffect(() => {
    const box = table.current?.getBoundingClientRect();
    if (box) setTop(Math.round(box.top + window.scrollY + ROW));
  }, [table]);
  const virtualizer = useWindowVirtualizer({
    count,
    enabled: isVirtual,
    estimateSize: () => ROW,
    getItemKey: keyOf,
    overscan: 12,
    scrollMargin: top,
  });
  if (!isVirtual) {
    const items: VirtualRow[] = Array.from({ length: count }, (_, index) => ({ index }));
    return { items, before: 0, after: 0 };
  }
  const inView = virtualizer.getVirtualItems();
  const items: VirtualRow[] = inView.map(({ index }) => ({ index, measure: virtualizer.measureElement }));
  const first = inView[0];
  const last = inView.at(-1);
  return {
    items,
    before: first ? first.start - top : 0,
    after: last ? virtualizer.getTotalSize() - (last.end - top) : 0,
  };
}

function Head<T>(props: {
  column: Column<T>;
  serverSort?: ServerSort;
  state?: { desc: boolean };
  onSort: () => void;
}) {
  const { column, serverSort, state } = props;
  const served = serverSort?.by[column.id];
  const isOn = served ? serverSort?.current === served.word : state !== undefined;
  const direction = served ? served.direction : state?.desc ? 'descending' : 'ascending';
  const canSort = served || (!serverSort && column.sort);
  return (
    <th
      scope="col"
      data-align={column.align}
     
      style={{ width: column.width }}
      aria-sort={isOn ? direction : undefined}
    >
      {canSort ? (
        <button
          type="button"
          className="sorter"
          data-on={isOn}
          onClick={() => (served ? serverSort?.onChange(served.word) : props.onSort())}
        >
          {column.header}
          <Icon name={direction === 'descending' ? 'down' : 'up'} size={11} />
        </button>
      ) : column.head ? (
        column.head
      ) : column.isQuiet ? (
        <span className="hidden-visually">{column.header}</span>
      ) : (
        column.header
      )}
    </th>
  );
}

function Spacer({ height, columns }: { height: number; columns: number }) {
  if (height <= 0) return null;
  return (
    <tbody aria-hidden="true">
      <tr className="spacer">
        <td colSpan={columns} style={{ height }} />
      </tr>
    </tbody>
  );
}

const BONES = ['70%', '45%', '60%', '50%', '65%', '40%'];

function Bones<T>({ columns }: { columns: Column<T>[] }) {
  return (
    <tbody>
      {BONES.map((first, i) => (
        <tr key={first}>
          {columns.map((column, j) => (
            <td key={column.id}>
              <span
                className="bone"
                style={{ '--bone': BONES[(i + j) % BONES.length] } as React.CSSProperties}
              />
            </td>
          ))}
        </tr>
      ))}
    </tbody>
  );
}
