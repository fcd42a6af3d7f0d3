// What became of a profile's resources on each device: the rows behind a number elsewhere.
import { useInfiniteQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useCallback, useMemo } from 'react';
import { type OutcomeFilter, outcomesQuery } from '../api/fleet';
import type { DeviceOutcome, OutcomeKind } from '../api/types';
import { Badge } from '../components/Badge';
import { Chain } from '../components/Chain';
import { type Column, DataTable } from '../components/DataTable';
import { Empty, ProblemNote, RevisionLink } from '../components/parts';
import { Time } from '../components/Time';
import { counted, visible } from '../components/visible';
import { look } from '../components/words';

const OUTCOMES: OutcomeKind[] = [
  'kept',
  'repaired',
  'drifted',
  'waiting',
  'failed',
  'blocked',
  'not_applicable',
  'unsupported',
];

/** Which outcomes are shown, read from the address. */
export function readOutcomeSearch(search: Record<string, unknown>): OutcomeFilter {
  const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined);
  return {
    outcome: OUTCOMES.find((word) => word === search.outcome) ?? 'failed',
    profile: text(search.profile),
    resource: text(search.resource),
  };
}

const route = getRouteApi('/shell/outcomes');

const COLUMNS: Column<DeviceOutcome>[] = [
  {
    id: 'device',
    header: 'Device',
    cell: (row) => <span className="name">{visible(row.device)}</span>,
    width: '22%',
  },
  {
    id: 'outcome',
    header: 'Outcome',
    cell: (row, opening) => <Badge word={row.outcome} opening={opening} />,
    width: '132px',
  },
  {
    id: 'resource',
    header: 'Resource',
    cell: (row) => <code title={visible(row.resource)}>{visible(row.resource)}</code>,
    from: 'medium',
  },
  {
    id: 'reason',
    header: 'Reason',
    cell: (row) => (
      <span className="dim" title={visible(row.reason ?? '')}>
        {visible(row.reason ?? '–')}
      </span>
    ),
    width: '28%',
    from: 'wide',
  },
  { id: 'since', header: 'Since', cell: (row) => <Time at={row.since} />, width: '110px', align: 'end' },
];

export function OutcomesPage() {
  const filter = route.useSearch();
  const list = useInfiniteQuery(outcomesQuery(filter));
  const rows = useMemo(() => list.data?.pages.flatMap((page) => page.items), [list.data]);
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = list;
  const onNearEnd = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  const total = list.data?.pages[0]?.total;
  return (
    <>
      <title>Outcomes · Muster</title>
      <div className="pagehead">
        <h1>{look(filter.outcome).label}</h1>
        {filter.resource && <code>{visible(filter.resource)}</code>}
        <span>{filter.profile ? <RevisionLink profile={filter.profile} /> : 'of no profile'}</span>
        <span className="dim" role="status">
          {total !== undefined && `on ${counted(total, filter.resource ? 'device' : 'resource')}`}
        </span>
      </div>
      {list.error && !rows ? (
        <ProblemNote error={list.error} />
      ) : (
        <DataTable
          label="Outcomes"
          columns={COLUMNS}
          rows={rows}
          total={total}
          keyOf={(row) => `${row.device} ${row.resource}`}
          onNearEnd={onNearEnd}
          detail={(row) => <Opened row={row} />}
          asked={JSON.stringify(filter)}
          empty={
            <Empty
              title="None is any more"
              why="What this number counted has changed since it was shown."
              next="muster compliance"
            />
          }
        />
      )}
    </>
  );
}

function Opened({ row }: { row: DeviceOutcome }) {
  return (
    <div className="opened">
      {row.reason && <p>{visible(row.reason)}</p>}
      <Chain subject={row.resource} profile={row.profile} />
      <p>
        <Link to="/devices/$id" params={{ id: row.device }} hash="why">
          {visible(row.device)}
        </Link>{' '}
        says what differs and who assigned it.
      </p>
    </div>
  );
}
