// Every change and refusal, the newest first.
import { useInfiniteQuery } from '@tanstack/react-query';
import { useCallback, useMemo } from 'react';
import { auditQuery } from '../api/queries';
import type { AuditEntry } from '../api/types';
import { type Column, DataTable } from '../components/DataTable';
import { Empty, ProblemNote } from '../components/parts';
import { Time } from '../components/Time';
import { shown, visible } from '../components/visible';

const COLUMNS: Column<AuditEntry>[] = [
  { id: 'at', header: 'When', cell: (row) => <Time at={row.at} side="start" />, width: '112px' },
  { id: 'actor', header: 'Who', cell: (row) => visible(row.actor), width: '16%' },
  { id: 'action', header: 'What', cell: (row) => visible(row.action), width: '18%' },
  {
    id: 'target',
    header: 'On what',
    cell: (row) => <span title={visible(row.target)}>{visible(row.target)}</span>,
    from: 'medium',
  },
  {
    id: 'detail',
    header: 'Detail',
    cell: (row) => (
      <span className="dim" title={wordsOf(row)}>
        {wordsOf(row)}
      </span>
    ),
    width: '34%',
    from: 'wide',
  },
];

function wordsOf(row: AuditEntry): string {
  return Object.entries(row.detail)
    .map(([name, value]) => `${visible(name)}=${shown(value)}`)
    .join('  ');
}

export function AuditPage() {
  const list = useInfiniteQuery(auditQuery);
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
      {list.error && !rows ? (
        <ProblemNote error={list.error} />
      ) : (
        <DataTable
          label="Audit"
          columns={COLUMNS}
          rows={rows}
          total={list.data?.pages[0]?.total}
          keyOf={(row) => String(row.id)}
          onNearEnd={onNearEnd}
          detail={(row) => <Opened row={row} />}
          empty={
            <Empty
              title="Nothing recorded yet"
              why="Every change and every refusal is recorded here."
              next="muster audit"
            />
          }
        />
      )}
    </>
  );
}

function Opened({ row }: { row: AuditEntry }) {
  const pairs = Object.entries(row.detail);
  return (
    <div className="opened">
      <p>
        {visible(row.actor)} <strong>{visible(row.action)}</strong> {visible(row.target)}
      </p>
      {pairs.length > 0 && (
        <table className="pairs">
          <tbody>
            {pairs.map(([name, value]) => (
              <tr key={name}>
                <th scope="row">{visible(name)}</th>
                <td className="mono">{shown(value)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </div>
  );
}
