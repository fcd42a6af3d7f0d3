// Every change and refusal, the newest first; the address keeps what it is narrowed to.
import { TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { useInfiniteQuery } from '@tanstack/react-query';
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router';
import { useCallback, useEffect, useMemo, useState } from 'react';
import { type AuditFilter, auditQuery } from '../api/queries';
import type { AuditEntry } from '../api/types';
import { type Column, DataTable } from '../components/DataTable';
import { Empty, ProblemNote } from '../components/parts';
import { Time } from '../components/Time';
import { visible } from '../components/visible';
import { actorOf, named, ordered, said, titleOf, words } from './audit/words';

const FIELDS = ['actor', 'action', 'target', 'since', 'until'] as const;

/** What the audit is narrowed to, read from the address; a day that is none is left out. */
export function readAuditSearch(search: Record<string, unknown>): AuditFilter {
  const text = (value: unknown) => (value === undefined || value === '' ? undefined : String(value));
  const day = (value: unknown) => (/^\d{4}-\d\d-\d\d$/.test(String(value)) ? String(value) : undefined);
  return {
    actor: text(search.actor),
    action: text(search.action),
    target: text(search.target),
    since: day(search.since),
    until: day(search.until),
  };
}

/** Days of the address as the times that the server compares with: the last one is included. */
function asked({ since, until, ...rest }: AuditFilter): AuditFilter {
  return {
    ...rest,
    since: since && new Date(`${since}T00:00:00`).toISOString(),
    until: until && new Date(`${until}T23:59:59.999`).toISOString(),
  };
}

const route = getRouteApi('/shell/audit');

const COLUMNS: Column<AuditEntry>[] = [
  { id: 'at', header: 'When', cell: (row) => <Time at={row.at} side="start" />, width: '112px' },
  { id: 'actor', header: 'Who', cell: (row) => actorOf(row) },
  { id: 'action', header: 'What', cell: (row) => visible(row.action) },
  {
    id: 'target',
    header: 'On what',
    cell: (row) => <span title={visible(row.target)}>{named(row, row.target)}</span>,
    from: 'medium',
  },
  {
    id: 'detail',
    header: 'Detail',
    cell: (row) => (
      <span className="dim" title={said(row, row.detail)}>
        {said(row, row.detail)}
      </span>
    ),
    width: '34%',
    from: 'wide',
  },
];

export function AuditPage() {
  const filter = route.useSearch();
  const navigate = useNavigate();
  const change = useCallback(
    (part: AuditFilter) =>
      navigate({ to: '/audit', search: (before) => readAuditSearch({ ...before, ...part }), replace: true }),
    [navigate],
  );
  const list = useInfiniteQuery(auditQuery(useMemo(() => asked(filter), [filter])));
  const total = list.data?.pages[0]?.total;
  const isNarrowed = FIELDS.some((field) => filter[field]);
  const rows = useMemo(() => list.data?.pages.flatMap((page) => page.items), [list.data]);
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = list;
  const onNearEnd = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  return (
    <>
      <title>Audit · Muster</title>
      <div className="pagehead">
        <h1>Audit</h1>
      </div>
      <search className="bar">
        <Words name="Who" text={filter.actor} onChange={(actor) => change({ actor })} />
        <Words name="What" text={filter.action} onChange={(action) => change({ action })} />
        <Words name="On what" text={filter.target} onChange={(target) => change({ target })} />
        <DayField name="Since" day={filter.since} onChange={(since) => change({ since })} />
        <DayField name="Until" day={filter.until} onChange={(until) => change({ until })} />
        <span className="count" role="status">
          {total !== undefined && `${total.toLocaleString('en')} ${total === 1 ? 'entry' : 'entries'}`}
        </span>
      </search>
      {list.error && !rows ? (
        <ProblemNote error={list.error} />
      ) : (
        <DataTable
          label="Audit"
          columns={COLUMNS}
          rows={rows}
          total={total}
          asked={JSON.stringify(filter)}
          keyOf={(row) => String(row.id)}
          onNearEnd={onNearEnd}
          detail={(row) => <Opened row={row} />}
          empty={<Nothing isNarrowed={isNarrowed} />}
        />
      )}
    </>
  );
}

function Nothing({ isNarrowed }: { isNarrowed: boolean }) {
  if (!isNarrowed) {
    return (
      <Empty
        title="Nothing recorded yet"
        why="Every change and every refusal is recorded here."
        next="muster audit"
      />
    );
  }
  return (
    <Empty
      title="No entry is like that"
      why="Every entry is left out by the filters above. An action is written as it is recorded, such as device.approve, or its noun alone, such as device."
    >
      <Link to="/audit">Show everything</Link>
    </Empty>
  );
}

interface FieldProps {
  name: string;
  text?: string;
  onChange: (text: string) => void;
}

function Words({ name, text = '', onChange }: FieldProps) {
  const [typed, setTyped] = useState(text);
  const tell = useDebouncedCallback(onChange, 250);
  useEffect(() => setTyped(text), [text]);
  return (
    <TextInput
      size="xs"
      w={150}
      aria-label={name}
      placeholder={name}
      type="search"
      value={typed}
      onChange={(e) => {
        setTyped(e.currentTarget.value);
        tell(e.currentTarget.value);
      }}
    />
  );
}

function DayField({ name, day = '', onChange }: { name: string; day?: string; onChange: (day: string) => void }) {
  return (
    <label className="day-field">
      {name}
      <input type="date" value={day} onChange={(e) => onChange(e.currentTarget.value)} />
    </label>
  );
}

function Opened({ row }: { row: AuditEntry }) {
  const pairs = ordered(row.detail);
  return (
    <div className="opened">
      <p>
        {actorOf(row)} <strong>{visible(row.action)}</strong> <Target row={row} />
      </p>
      {pairs.length > 0 && (
        <table className="pairs">
          <tbody>
            {pairs.map(([name, value]) => (
              <tr key={name}>
                <th scope="row">{titleOf(name)}</th>
                <td className="mono">{words(row, value)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </div>
  );
}

/** What it was done to, as a way there where there is one. */
function Target({ row }: { row: AuditEntry }) {
  if (row.action.startsWith('device.')) {
    return (
      <Link to="/devices/$id" params={{ id: row.target }} title={visible(row.target)}>
        {named(row, row.target)}
      </Link>
    );
  }
  if (row.action.startsWith('profile.')) {
    return (
      <Link to="/profiles/$name" params={{ name: row.target }}>
        {visible(row.target)}
      </Link>
    );
  }
  return <>{visible(row.target)}</>;
}
