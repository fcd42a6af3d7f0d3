// Every check that is asked, and the controls of outside catalogues that they give evidence for.
import { Tabs } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router';
import { useMemo } from 'react';
import { checksQuery } from '../../api/fleet';
import type { CheckSummary } from '../../api/types';
import { type Column, DataTable } from '../../components/DataTable';
import { Empty, ProblemNote, RevisionLink } from '../../components/parts';
import { visible } from '../../components/visible';
import { ReportButton } from './ReportButton';
import { Tallies } from './Tallies';
import { byControl, type Control, SEVERITIES } from './controls';

/** Which list is shown. */
export interface ChecksSearch {
  tab?: 'controls';
}

/** Reads the address. */
export function readChecksSearch(search: Record<string, unknown>): ChecksSearch {
  return { tab: search.tab === 'controls' ? 'controls' : undefined };
}

const route = getRouteApi('/shell/checks');

const CHECKS: Column<CheckSummary>[] = [
  {
    id: 'title',
    header: 'Check',
    cell: (row) => (
      <Link className="name" to="/checks/$id" params={{ id: row.id }} title={visible(row.title)}>
        {visible(row.title)}
      </Link>
    ),
    sort: (row) => row.title,
  },
  {
    id: 'counts',
    header: 'Devices',
    cell: (row) => <Tallies counts={row.counts} check={row.id} waived={row.waived} />,
    sort: (row) => -(row.counts.fail * 1e6 + row.counts.unknown),
    width: 'clamp(150px, 30vw, 480px)',
  },
  {
    id: 'severity',
    header: 'Severity',
    cell: (row) => row.severity,
    sort: (row) => -SEVERITIES.indexOf(row.severity),
    width: '90px',
    from: 'medium',
  },
  {
    id: 'controls',
    header: 'Controls',
    cell: (row) => <Controls controls={row.controls} />,
    width: '20%',
    from: 'wide',
  },
  {
    id: 'profiles',
    header: 'Asked by',
    cell: (row) =>
      row.profiles.map((profile, i) => (
        <span key={profile}>
          {i > 0 && ', '}
          <RevisionLink profile={profile} />
        </span>
      )),
    width: '16%',
    from: 'medium',
  },
];

const CONTROLS: Column<Control>[] = [
  {
    id: 'id',
    header: 'Control',
    cell: (row) => (
      <Link className="name" to="/controls/$id" params={{ id: row.id }}>
        {visible(row.id)}
      </Link>
    ),
    sort: (row) => row.id,
    width: '30%',
  },
  {
    id: 'failing',
    header: 'Checks with a failure',
    cell: (row) => `${row.failing} of ${row.checks.length}`,
    sort: (row) => -row.failing,
    width: '170px',
  },
  {
    id: 'checks',
    header: 'Checks',
    cell: (row) => <span className="dim">{row.checks.map((check) => visible(check.title)).join(', ')}</span>,
    from: 'medium',
  },
];

export function Controls({ controls }: { controls: string[] }) {
  if (controls.length === 0) return <span className="dim">–</span>;
  return controls.map((control, i) => (
    <span key={control}>
      {i > 0 && ', '}
      <Link to="/controls/$id" params={{ id: control }}>
        {visible(control)}
      </Link>
    </span>
  ));
}

export function ChecksPage() {
  const { tab } = route.useSearch();
  const navigate = useNavigate();
  const { data, error } = useQuery(checksQuery);
  const checks = useMemo(() => data?.toSorted(worst), [data]);
  const controls = useMemo(() => data && byControl(data), [data]);
  const change = (next: string | null) =>
    navigate({ to: '/checks', search: readChecksSearch({ tab: next }), replace: true });
  return (
    <>
      <title>Checks · Muster</title>
      <div className="pagehead">
        <h1>Checks</h1>
        <div className="actions">
          <ReportButton />
        </div>
      </div>
      {error && !data ? (
        <ProblemNote error={error} />
      ) : (
        <Tabs className="tabs" value={tab ?? 'checks'} onChange={change} keepMounted={false}>
          <Tabs.List>
            <Tabs.Tab value="checks">
              Checks<span className="tabcount">{checks?.length}</span>
            </Tabs.Tab>
            <Tabs.Tab value="controls">
              Controls<span className="tabcount">{controls?.length}</span>
            </Tabs.Tab>
          </Tabs.List>
          <Tabs.Panel value="checks">
            <DataTable label="Checks" columns={CHECKS} rows={checks} keyOf={(row) => row.id} empty={<None />} />
          </Tabs.Panel>
          <Tabs.Panel value="controls">
            <DataTable
              label="Controls"
              columns={CONTROLS}
              rows={controls}
              keyOf={(row) => row.id}
              empty={<NoControls />}
            />
          </Tabs.Panel>
        </Tabs>
      )}
    </>
  );
}

function worst(a: CheckSummary, b: CheckSummary): number {
  return b.counts.fail - a.counts.fail || b.counts.unknown - a.counts.unknown || a.id.localeCompare(b.id);
}

function None() {
  return (
    <Empty
      title="No check is asked"
      why="Checks stand in a profile under checks:, as questions in SQL. They are asked once a revision that has some is assigned."
      next="muster profile init base > base.yaml"
    />
  );
}

function NoControls() {
  return (
    <Empty
      title="No check names a control"
      why="A check gives evidence for controls of outside catalogues when it names them: controls: [CIS-5.4.1]."
      next="muster profile init base > base.yaml"
    />
  );
}
