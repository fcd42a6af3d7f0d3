// What is asked of this device and what it answered; each row opens its evidence.
import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { checksQuery } from '../../api/queries';
import type { Check, Device, DeviceDetail } from '../../api/types';
import { Badge } from '../../components/Badge';
import { Chain } from '../../components/Chain';
import { type Column, DataTable } from '../../components/DataTable';
import { Evidence } from '../../components/Evidence';
import { worstFirst } from '../../components/groups';
import { Empty, ProblemNote, RevisionLink } from '../../components/parts';
import { Time } from '../../components/Time';
import { visible } from '../../components/visible';
import { isOut, weight } from '../../components/words';
import { Accepted } from '../waivers/Accepted';
import { WaiveButton } from '../waivers/WaiveForm';
import { resultWord } from '../waivers/waive';
import { LastReported, NeverReported } from './LastReported';
import { Tally } from './Tally';

const SEVERITIES = ['low', 'medium', 'high', 'critical'];

const COLUMNS: Column<Check>[] = [
  {
    id: 'title',
    header: 'Check',
    cell: (row) => <span title={visible(row.title)}>{visible(row.title)}</span>,
    sort: (row) => row.title,
  },
  {
    id: 'verdict',
    header: 'Result',
    cell: (row, opening) => <Badge word={resultWord(row)} opening={opening} />,
    sort: (row) => weight(resultWord(row)),
    width: '132px',
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
    cell: (row) => <span className="dim">{row.controls.map(visible).join(', ') || '–'}</span>,
    width: '22%',
    from: 'wide',
  },
  {
    id: 'profile',
    header: 'Profile',
    cell: (row) => <RevisionLink profile={`${row.profile}@${row.revision}`} />,
    sort: (row) => row.profile,
    width: '18%',
    from: 'medium',
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

export function ChecksTab({ id, detail }: { id: string; detail: DeviceDetail }) {
  const { data, error } = useQuery(checksQuery(id));
  const rows = useMemo(
    () =>
      data &&
      worstFirst(
        data,
        resultWord,
        (r) => r.title,
      ),
    [data],
  );
  if (error && !data) return <ProblemNote error={error} />;
  return (
    <>
      <LastReported device={detail.device} />
      {rows && rows.length > 0 && <Tally words={rows.map(resultWord)} what="check" />}
      <DataTable
        label="Checks"
        columns={COLUMNS}
        rows={rows}
        keyOf={(row) => `${row.profile} ${row.id}`}
        detail={(row) => <Opened row={row} detail={detail} />}
        empty={
          isOut(detail.device) ? (
            <NeverReported what="checks" />
          ) : (
            <Empty
              title="No checks"
              why="No assigned profile asks anything of this device. Checks are written in a profile, under checks:"
              next="muster profile init base > base.yaml"
            />
          )
        }
      />
    </>
  );
}

/** For what a failure on this device may be accepted, the narrowest first. */
function targetsOf({ name, id, labels }: Device): string[] {
  return [`device:${name || id}`, ...labels.map((label) => `label:${label}`), 'everyone'];
}

function Opened({ row, detail }: { row: Check; detail: DeviceDetail }) {
  const assignment = detail.assignments.find(
    (each) => each.profile === row.profile && each.revision === row.revision,
  );
  return (
    <div className="opened">
      {row.reason && <p>{visible(row.reason)}</p>}
      {row.verdict === 'fail' && <Evidence rows={row.evidence} />}
      {row.verdict === 'fail' && row.waiver && (
        <p>
          <Accepted waiver={row.waiver} />
        </p>
      )}
      {row.verdict !== 'pass' && row.remediation && <p>{visible(row.remediation)}</p>}
      <Chain
        subject={`check:${row.id}`}
        profile={`${row.profile}@${row.revision}`}
        assignment={assignment && `to ${assignment.target}`}
        by={assignment?.created_by}
        at={assignment?.created}
      />
      {row.verdict === 'fail' && !row.waiver && !isOut(detail.device) && (
        <div>
          <WaiveButton check={row.id} targets={targetsOf(detail.device)} />
        </div>
      )}
      <p className="dim">
        Severity {row.severity}
        {row.controls.length > 0 && <>, evidence for {row.controls.map(visible).join(', ')}</>}. So since{' '}
        <Time at={row.since} side="start" />.
      </p>
    </div>
  );
}
