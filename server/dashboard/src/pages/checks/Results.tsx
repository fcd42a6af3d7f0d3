// What each device finds, the worst first; each row opens its evidence and its intervals.
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useCallback, useMemo } from 'react';
import { intervalsQuery, type ResultFilter, resultsQuery, type Subject } from '../../api/fleet';
import type { CheckedDevice, CheckInterval, Waived } from '../../api/types';
import { Badge } from '../../components/Badge';
import { Chain } from '../../components/Chain';
import { type Column, DataTable } from '../../components/DataTable';
import { Evidence } from '../../components/Evidence';
import { Empty, ProblemNote, RevisionLink } from '../../components/parts';
import { quoted } from '../../components/quoted';
import { Time } from '../../components/Time';
import { span } from '../../components/time';
import { visible, who } from '../../components/visible';
import { Accepted } from '../waivers/Accepted';
import { WaiveButton } from '../waivers/WaiveForm';
import { resultWord } from '../waivers/waive';
import { Filters } from './Filters';

const DEVICE: Column<CheckedDevice> = {
  id: 'device',
  header: 'Device',
  cell: (row) => <span className="name">{visible(row.device)}</span>,
};
const CHECK: Column<CheckedDevice> = {
  id: 'check',
  header: 'Check',
  cell: (row) => (
    <Link to="/checks/$id" params={{ id: row.check }}>
      {visible(row.check)}
    </Link>
  ),
};
const REST: Column<CheckedDevice>[] = [
  {
    id: 'verdict',
    header: 'Result',
    cell: (row, opening) => <Badge word={resultWord(row)} opening={opening} />,
    width: '120px',
  },
  {
    id: 'evidence',
    header: 'Evidence',
    cell: (row) => (row.waived ? <Until waived={row.waived} /> : <span className="dim">{evidenceWords(row)}</span>),
    width: '26%',
    from: 'medium',
  },
  {
    id: 'profile',
    header: 'Asked by',
    cell: (row) => <RevisionLink profile={row.profile} />,
    width: '14%',
    from: 'medium',
  },
  {
    id: 'since',
    header: 'Since',
    cell: (row) => <Time at={row.since} />,
    width: '112px',
    align: 'end',
    from: 'medium',
  },
];

/** A failure that is accepted says by whom and until when, in place of what it shows. */
function Until({ waived }: { waived: Waived }) {
  return (
    <span className="dim" title={visible(waived.reason)}>
      accepted by {who(waived.owner)}, ends <Time at={waived.until} side="start" />
    </span>
  );
}

function evidenceWords({ evidence, reason, verdict }: CheckedDevice): string {
  if (reason) return visible(reason);
  if (verdict !== 'fail') return '–';
  return evidence.length === 0 ? 'no row' : evidence.length === 1 ? '1 row' : `${evidence.length} rows`;
}

interface Props {
  subject: Subject;
  filter: ResultFilter;
  onChange: (filter: ResultFilter) => void;
}

export function Results({ subject, filter, onChange }: Props) {
  const list = useInfiniteQuery(resultsQuery(subject, filter));
  const rows = useMemo(() => list.data?.pages.flatMap((page) => page.items), [list.data]);
  const total = list.data?.pages[0]?.total;
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = list;
  const onNearEnd = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  const columns = subject.kind === 'control' ? [DEVICE, CHECK, ...REST] : [DEVICE, ...REST];
  if (list.error && !rows) return <ProblemNote error={list.error} />;
  return (
    <>
      <Filters filter={filter} total={total} onChange={onChange} />
      <DataTable
        label="Devices"
        columns={columns}
        rows={rows}
        total={total}
        keyOf={(row) => `${row.device} ${row.check}`}
        onNearEnd={onNearEnd}
        asked={`${subject.id} ${JSON.stringify(filter)}`}
        detail={(row) => <Opened row={row} />}
        empty={<NoResults subject={subject} isNarrowed={Boolean(filter.verdict || filter.profile)} />}
      />
    </>
  );
}

function NoResults({ subject, isNarrowed }: { subject: Subject; isNarrowed: boolean }) {
  if (isNarrowed) {
    return <Empty title="No device finds that" why="Every result is left out by the filter above." />;
  }
  return (
    <Empty
      title="No device has answered yet"
      why="A device answers once it has taken the revision that asks, at its next turn."
      next={subject.kind === 'check' ? `muster check show ${quoted(visible(subject.id))}` : 'muster check list'}
    />
  );
}

function Opened({ row }: { row: CheckedDevice }) {
  return (
    <div className="opened">
      {row.reason && <p>{visible(row.reason)}</p>}
      {row.verdict === 'fail' && <Evidence rows={row.evidence} />}
      {row.waived && (
        <p>
          <Accepted waiver={{ ...row.waived, check: row.check }} />
        </p>
      )}
      <Chain subject={`check:${row.check}`} profile={row.profile} />
      {row.verdict === 'fail' && !row.waived && (
        <div>
          <WaiveButton check={row.check} targets={[`device:${row.device}`, 'everyone']} />
        </div>
      )}
      <Intervals device={row.device} check={row.check} />
      <p>
        <Link to="/devices/$id" params={{ id: row.device }} search={{ tab: 'checks' }}>
          {visible(row.device)}
        </Link>{' '}
        says who assigned it.
      </p>
    </div>
  );
}

/** How it went on this device over thirty days. */
function Intervals({ device, check }: { device: string; check: string }) {
  const { data, error } = useQuery(intervalsQuery(device, check));
  if (error) return <ProblemNote error={error} />;
  if (!data) return <span className="bone" />;
  return (
    <table className="pairs">
      <caption className="hidden-visually">Results over the last 30 days</caption>
      <thead>
        <tr>
          <th scope="col">Last 30 days</th>
          <th scope="col">From</th>
          <th scope="col">To</th>
          <th scope="col">For</th>
        </tr>
      </thead>
      <tbody>
        {data.map((interval) => (
          <tr key={interval.from}>
            <td>
              <Badge word={interval.verdict} />
            </td>
            <td>
              <Time at={interval.from} side="start" />
            </td>
            <td>
              <Time at={interval.to} side="start" none="now" />
            </td>
            <td>{lasted(interval)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function lasted({ from, to }: CheckInterval): string {
  return span(((to ? Date.parse(to) : Date.now()) - Date.parse(from)) / 1000);
}
