// One control of an outside catalogue: the checks that give evidence for it, and what devices find.
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router';
import { ApiError } from '../../api/client';
import { controlQuery, type ResultFilter } from '../../api/fleet';
import type { CheckSummary, ControlDetail } from '../../api/types';
import { type Column, DataTable } from '../../components/DataTable';
import { totalOf, VERDICTS } from '../../components/days';
import { Empty, ProblemNote } from '../../components/parts';
import { visible } from '../../components/visible';
import { ReportButton } from './ReportButton';
import { Results } from './Results';
import { Tallies } from './Tallies';

const route = getRouteApi('/shell/controls/$id');

const CHECKS: Column<CheckSummary>[] = [
  {
    id: 'title',
    header: 'Check',
    cell: (row) => (
      <Link className="name" to="/checks/$id" params={{ id: row.id }}>
        {visible(row.title)}
      </Link>
    ),
  },
  {
    id: 'counts',
    header: 'Devices',
    cell: (row) => <Tallies counts={row.counts} check={row.id} waived={row.waived} />,
    width: '40%',
  },
  { id: 'severity', header: 'Severity', cell: (row) => row.severity, width: '90px', from: 'medium' },
];

export function ControlPage() {
  const { id } = route.useParams();
  const filter = route.useSearch();
  const navigate = useNavigate();
  const { data, error } = useQuery(controlQuery(id));
  if (!data && error instanceof ApiError && error.status === 404) {
    return (
      <Empty
        isPage
        title={`No check gives evidence for ${visible(id)}`}
        why="A check does when it names the control in its profile, under controls:, and that revision is assigned."
        next="muster check list"
      >
        <Link to="/checks" search={{ tab: 'controls' }}>
          All controls
        </Link>
      </Empty>
    );
  }
  if (!data && error) return <ProblemNote error={error} />;
  const change = (next: ResultFilter) =>
    navigate({ to: '/controls/$id', params: { id }, search: next, replace: true });
  return (
    <>
      <title>{`${id} · Muster`}</title>
      <div className="pagehead">
        <h1>{visible(id)}</h1>
        {data && <Standing detail={data} />}
        <div className="actions">
          <ReportButton control={id} />
        </div>
      </div>
      <DataTable label="Checks" columns={CHECKS} rows={data?.checks} keyOf={(row) => row.id} />
      <section className="section" aria-labelledby="results">
        <h2 id="results">Results</h2>
        <Results subject={{ kind: 'control', id }} filter={filter} onChange={change} />
      </section>
    </>
  );
}

function Standing({ detail }: { detail: ControlDetail }) {
  const { devices } = detail;
  const all = totalOf(devices, VERDICTS);
  if (all === 0) return <span className="dim">no device has answered</span>;
  return (
    <span className="dim">
      {devices.pass + devices.not_applicable} of {all} devices fulfil it; {devices.fail} fail,{' '}
      {devices.unknown} unknown
    </span>
  );
}
