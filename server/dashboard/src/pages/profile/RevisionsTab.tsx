// Every revision, and what changed between two of them.
import { NativeSelect } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router';
import { diffQuery } from '../../api/queries';
import type { ProfileDetail, RevisionSummary } from '../../api/types';
import { type Column, DataTable } from '../../components/DataTable';
import { UnifiedDiff } from '../../components/Diff';
import { ProblemNote, RevisionLink } from '../../components/parts';
import { Time } from '../../components/Time';
import { who } from '../../components/visible';

const route = getRouteApi('/shell/profiles/$name');

export function RevisionsTab({ detail }: { detail: ProfileDetail }) {
  const { name, newest } = detail.profile;
  const { from = newest - 1, to = newest } = route.useSearch();
  const columns: Column<RevisionSummary>[] = [
    {
      id: 'number',
      header: 'Revision',
      cell: (row) => <RevisionLink profile={`${name}@${row.number}`} />,
      width: '24%',
    },
    {
      id: 'digest',
      header: 'Digest',
      cell: (row) => (
        <code className="dim" title={row.digest}>
          {row.digest.slice(0, 19)}…
        </code>
      ),
      from: 'medium',
    },
    {
      id: 'pinned',
      header: 'Pinned by',
      cell: (row) =>
        row.pinned === 0 ? (
          <span className="dim">none</span>
        ) : (
          <Link to="/profiles/$name" params={{ name }} search={{ tab: 'assigned' }}>
            {row.pinned === 1 ? '1 assignment' : `${row.pinned} assignments`}
          </Link>
        ),
      width: '140px',
    },
    {
      id: 'diff',
      header: 'Changes',
      cell: (row) =>
        row.number > 1 ? (
          <Link
            to="/profiles/$name"
            params={{ name }}
            search={{ tab: 'revisions', from: row.number - 1, to: row.number }}
          >
            from @{row.number - 1}
          </Link>
        ) : (
          <span className="dim">the first</span>
        ),
      width: '110px',
      from: 'medium',
    },
    { id: 'by', header: 'Saved by', cell: (row) => who(row.saved_by), width: '16%', from: 'medium' },
    { id: 'saved', header: 'Saved', cell: (row) => <Time at={row.saved} />, width: '110px', align: 'end' },
  ];
  return (
    <>
      <DataTable
        label="Revisions"
        columns={columns}
        rows={detail.revisions}
        keyOf={(row) => String(row.number)}
      />
      {detail.revisions.length > 1 && (
        <section className="section" aria-labelledby="compare">
          <Compare detail={detail} from={Math.max(1, from)} to={to} />
        </section>
      )}
    </>
  );
}

function Compare({ detail, from, to }: { detail: ProfileDetail; from: number; to: number }) {
  const { name } = detail.profile;
  const navigate = useNavigate();
  const { data, error } = useQuery(diffQuery(name, from, to));
  const go = (search: { from: number; to: number }) =>
    navigate({
      to: '/profiles/$name',
      params: { name },
      search: { tab: 'revisions', ...search },
      replace: true,
    });
  const choices = detail.revisions.map((each) => ({ value: String(each.number), label: `@${each.number}` }));
  return (
    <>
      <div className="bar">
        <h2 id="compare">Changes</h2>
        <NativeSelect
          aria-label="From revision"
          size="xs"
          data={choices}
          value={String(from)}
          onChange={(e) => go({ from: Number(e.currentTarget.value), to })}
        />
        to
        <NativeSelect
          aria-label="To revision"
          size="xs"
          data={choices}
          value={String(to)}
          onChange={(e) => go({ from, to: Number(e.currentTarget.value) })}
        />
      </div>
      {error && <ProblemNote error={error} />}
      {data && <UnifiedDiff unified={data.unified} />}
    </>
  );
}
