// All rollouts, the newest first: what each brings to whom, and how far it has come.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { rolloutsQuery } from '../../api/fleet';
import type { Rollout } from '../../api/types';
import { type Column, DataTable } from '../../components/DataTable';
import { Empty, ProblemNote, RevisionLink, TargetLink } from '../../components/parts';
import { Time } from '../../components/Time';
import { visible, who } from '../../components/visible';
import { weight } from '../../components/words';
import { brings, progress } from './course';
import { StateBadge } from './StateBadge';

const COLUMNS: Column<Rollout>[] = [
  {
    id: 'id',
    header: 'Rollout',
    cell: (row) => (
      <Link className="name" to="/rollouts/$id" params={{ id: row.id }}>
        {visible(row.id)}
      </Link>
    ),
    width: '170px',
  },
  {
    id: 'state',
    header: 'State',
    cell: (row) => <StateBadge rollout={row} />,
    sort: (row) => weight(row.state),
    width: '120px',
  },
  { id: 'brings', header: 'Brings', cell: (row) => <RevisionLink profile={brings(row)} />, sort: brings },
  {
    id: 'target',
    header: 'To',
    cell: (row) => <TargetLink target={row.target} />,
    sort: (row) => row.target,
    from: 'medium',
  },
  {
    id: 'step',
    header: 'Step',
    cell: (row) => `${row.step} of ${row.steps.length}`,
    width: '80px',
    align: 'end',
    from: 'medium',
  },
  {
    id: 'passed',
    header: 'Passed',
    cell: (row) => <Passed row={row} />,
    width: '110px',
    align: 'end',
    from: 'medium',
  },
  {
    id: 'cause',
    header: 'Cause',
    cell: (row) => <Cause row={row} />,
    width: '18%',
    from: 'medium',
  },
  { id: 'by', header: 'By', cell: (row) => who(row.created_by), width: '9%', from: 'wide' },
  {
    id: 'at',
    header: 'Started',
    cell: (row) => <Time at={row.created} />,
    sort: (row) => -Date.parse(row.created),
    width: '110px',
    align: 'end',
    from: 'medium',
  },
];

/** What stopped it, or had stopped it before it was taken back. */
function Cause({ row }: { row: Rollout }) {
  if (!row.cause) return <span className="dim">–</span>;
  const said = visible(`${row.cause.device}: ${row.cause.subject}`);
  return (
    <Link
      className={row.state === 'stopped' ? undefined : 'dim'}
      to="/rollouts/$id"
      params={{ id: row.id }}
      hash="why"
      title={visible(row.cause.error)}
    >
      {said}
    </Link>
  );
}

function Passed({ row }: { row: Rollout }) {
  const { passed, devices } = progress(row);
  return (
    <Link to="/rollouts/$id" params={{ id: row.id }} search={{ standing: 'passed' }}>
      {passed} of {devices}
    </Link>
  );
}

export function RolloutsPage() {
  const { data, error } = useQuery(rolloutsQuery);
  if (error && !data) return <ProblemNote error={error} />;
  return (
    <>
      <title>Rollouts · Muster</title>
      <div className="pagehead">
        <h1>Rollouts</h1>
      </div>
      <DataTable
        label="Rollouts"
        columns={COLUMNS}
        rows={data}
        keyOf={(row) => row.id}
        empty={
          <Empty
            title="No rollout yet"
            why="A rollout gives a revision to a few devices first, then to more, and stops at the first failure. It begins where a profile is assigned, with Step by step."
            next="muster assign base --to label:laptop --rollout"
          >
            <Link to="/profiles">Profiles</Link>
          </Empty>
        }
      />
    </>
  );
}
