// What should be so on this device, and what became of it; each row opens its chain and its diff.
import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { resourcesQuery } from '../../api/queries';
import type { DeviceDetail, Resource } from '../../api/types';
import { Badge } from '../../components/Badge';
import { Chain } from '../../components/Chain';
import { type Column, DataTable } from '../../components/DataTable';
import { Differences } from '../../components/Diff';
import { worstFirst } from '../../components/groups';
import { Empty, ProblemNote, RevisionLink } from '../../components/parts';
import { quoted } from '../../components/quoted';
import { Time } from '../../components/Time';
import { visible } from '../../components/visible';
import { isOut, weight } from '../../components/words';
import { LastReported, NeverReported } from './LastReported';
import { Tally } from './Tally';

const COLUMNS: Column<Resource>[] = [
  {
    id: 'resource',
    header: 'Resource',
    cell: (row) => <code title={visible(row.resource)}>{visible(row.resource)}</code>,
    sort: (row) => row.resource,
  },
  {
    id: 'outcome',
    header: 'Outcome',
    cell: (row, opening) => <Badge word={row.outcome} opening={opening} />,
    sort: (row) => weight(row.outcome),
    width: '132px',
  },
  {
    id: 'profile',
    header: 'Profile',
    cell: (row) => (row.profile ? <RevisionLink profile={`${row.profile}@${row.revision}`} /> : '–'),
    sort: (row) => row.profile,
    width: '18%',
    from: 'medium',
  },
  {
    id: 'mode',
    header: 'Mode',
    cell: (row) => row.mode,
    sort: (row) => row.mode,
    width: '80px',
    from: 'medium',
  },
  {
    id: 'reason',
    header: 'Reason or note',
    cell: (row) => <span className="dim">{visible(row.reason ?? row.note ?? '')}</span>,
    width: '30%',
    from: 'wide',
  },
  {
    id: 'since',
    header: 'Since',
    cell: (row) => <Time at={row.since} />,
    sort: (row) => -Date.parse(row.since),
    width: '108px',
    align: 'end',
    from: 'medium',
  },
];

export function ResourcesTab({ id, detail }: { id: string; detail: DeviceDetail }) {
  const { data, error } = useQuery(resourcesQuery(id));
  const rows = useMemo(
    () =>
      data &&
      worstFirst(
        data,
        (r) => r.outcome,
        (r) => r.resource,
      ),
    [data],
  );
  if (error && !data) return <ProblemNote error={error} />;
  return (
    <>
      <LastReported device={detail.device} />
      {rows && rows.length > 0 && <Tally words={rows.map((row) => row.outcome)} what="resource" />}
      <DataTable
        label="Resources"
        columns={COLUMNS}
        rows={rows}
        keyOf={(row) => row.resource}
        detail={(row) => <Opened row={row} detail={detail} />}
        empty={<NoResources detail={detail} />}
      />
    </>
  );
}

function NoResources({ detail }: { detail: DeviceDetail }) {
  const name = detail.device.name || detail.device.id;
  if (isOut(detail.device)) return <NeverReported what="resources" />;
  if (detail.assignments.length > 0) {
    return (
      <Empty
        title="Nothing reported yet"
        why="Profiles are assigned; the device has not yet told what became of them."
        next={`muster device show ${quoted(visible(name))}`}
      />
    );
  }
  return (
    <Empty
      title="Nothing is assigned"
      why="No profile reaches this device by its labels, its name or everyone."
      next={`muster assign base --to ${quoted(visible(`device:${name}`))}`}
    />
  );
}

function Opened({ row, detail }: { row: Resource; detail: DeviceDetail }) {
  const assignment = detail.assignments.find((each) => each.id === row.assignment);
  return (
    <div className="opened">
      {row.reason && <p>{visible(row.reason)}</p>}
      <Differences rows={row.differences} repaired={row.outcome === 'repaired'} />
      {row.note && <p className="quote dim">{visible(row.note)}</p>}
      <Chain
        subject={row.resource}
        profile={row.profile ? `${row.profile}@${row.revision}` : undefined}
        assignment={assignment && `to ${assignment.target}`}
        by={assignment?.created_by}
        at={assignment?.created}
      />
      {row.overrides.length > 0 && <p className="dim">Overrides {row.overrides.map(visible).join(', ')}.</p>}
      <p className="dim">
        {row.mode === 'audit' ? 'Audit: looked at, never changed. ' : ''}So since{' '}
        <Time at={row.since} side="start" />.
      </p>
    </div>
  );
}
