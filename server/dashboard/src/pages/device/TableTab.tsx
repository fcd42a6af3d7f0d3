// A table as the device last reported it, such as its packages.
import { TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { ApiError } from '../../api/client';
import { tableQuery } from '../../api/queries';
import { type Column, DataTable } from '../../components/DataTable';
import { Icon } from '../../components/Icon';
import { Empty, ProblemNote } from '../../components/parts';
import { Time } from '../../components/Time';
import { shown, visible } from '../../components/visible';

interface Row {
  key: string;
  cells: Record<string, unknown>;
  text: string;
}

/** How many columns a window shows before the rest is for wide ones. */
const NARROW = 2;
const MEDIUM = 4;

interface Props {
  id: string;
  table: string;
  what: string;
  /** The columns to begin with. */
  first: string[];
}

export function TableTab({ id, table, what, first }: Props) {
  const { data, error } = useQuery(tableQuery(id, table));
  const [search, setSearch] = useState('');
  const columns = useMemo(() => columnsOf(data?.columns ?? first, first), [data?.columns, first]);
  const rows = useMemo(() => data && rowsOf(data.columns, data.rows, first), [data, first]);
  const found = useMemo(() => {
    const wanted = search.trim().toLowerCase();
    return wanted ? rows?.filter((row) => row.text.includes(wanted)) : rows;
  }, [rows, search]);
  const isMissing = error instanceof ApiError && error.status === 404;
  if (isMissing || rows?.length === 0) {
    return (
      <Empty
        title={`No ${what} reported yet`}
        why="The device sends this table with its first report, and again when it changes."
        next={`sudo muster-agent query "SELECT * FROM ${table}"`}
      />
    );
  }
  if (error && !data) return <ProblemNote error={error} />;
  return (
    <>
      <div className="bar">
        <TextInput
          className="grow"
          size="xs"
          type="search"
          aria-label={`Search ${what}`}
          placeholder={`Search ${what}`}
          leftSection={<Icon name="search" />}
          value={search}
          onChange={(e) => setSearch(e.currentTarget.value)}
        />
        <span className="count">
          {search ? `${found?.length ?? 0} of ` : ''}
          {rows?.length ?? ''} {what}
          {data?.reported && (
            <>
              , reported <Time at={data.reported} />
            </>
          )}
        </span>
      </div>
      <DataTable
        label={what}
        columns={columns}
        rows={found}
        keyOf={(row) => row.key}
        asked={search}
        empty={<Empty title="Nothing found" why={`No row of ${what} has “${search}” in it.`} />}
      />
    </>
  );
}

function columnsOf(names: string[], first: string[]): Column<Row>[] {
  const ordered = [
    ...first.filter((name) => names.includes(name)),
    ...names.filter((n) => !first.includes(n)),
  ];
  return ordered.map((name, i) => ({
    id: name,
    header: visible(name),
    cell: (row) => {
      const text = shown(row.cells[name]);
      return <span title={text}>{text}</span>;
    },
    sort: (row) => {
      const value = row.cells[name];
      return typeof value === 'number' ? value : String(value ?? '');
    },
    from: i < NARROW ? undefined : i < MEDIUM ? 'medium' : 'wide',
  }));
}

function rowsOf(names: string[], rows: unknown[][], first: string[]): Row[] {
  const seen = new Map<string, number>();
  return rows.map((values) => {
    const cells = Object.fromEntries(names.map((name, i) => [name, values[i]]));
    const named = first.map((name) => String(cells[name])).join(' ');
    const times = seen.get(named) ?? 0;
    seen.set(named, times + 1);
    return { key: times ? `${named} ${times}` : named, cells, text: values.join(' ').toLowerCase() };
  });
}
