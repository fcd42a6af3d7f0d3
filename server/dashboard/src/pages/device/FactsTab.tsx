// What the device says of itself, and what is assigned to it.
import type { ReactNode } from 'react';
import type { Assignment, DeviceDetail } from '../../api/types';
import { type Column, DataTable } from '../../components/DataTable';
import { Empty, Facts, RevisionLink, TargetLink } from '../../components/parts';
import { Time } from '../../components/Time';
import { visible, who } from '../../components/visible';

const COLUMNS: Column<Assignment>[] = [
  {
    id: 'profile',
    header: 'Profile',
    cell: (row) => <RevisionLink profile={`${row.profile}@${row.revision}`} />,
  },
  { id: 'target', header: 'Assigned to', cell: (row) => <TargetLink target={row.target} /> },
  { id: 'mode', header: 'Mode', cell: (row) => row.mode, width: '90px', from: 'medium' },
  {
    id: 'precedence',
    header: 'Precedence',
    cell: (row) => row.precedence,
    width: '100px',
    align: 'end',
    from: 'medium',
  },
  { id: 'by', header: 'By', cell: (row) => who(row.created_by), from: 'medium' },
  { id: 'at', header: 'When', cell: (row) => <Time at={row.created} />, width: '110px', align: 'end' },
];

export function FactsTab({ detail }: { detail: DeviceDetail }) {
  const { device, facts } = detail;
  const rows: [string, ReactNode][] = [
    ['Operating system', facts.os_name],
    ['Kernel', facts.kernel],
    ['Architecture', facts.arch],
    ['Form', facts.chassis],
    ['Host name', facts.hostname],
    ['Processor', facts.cpu && `${facts.cpu} (${facts.cpus})`],
    ['Memory', facts.memory ? memory(facts.memory) : ''],
    ['Agent', facts.agent_version],
    ['Kinds denied by its owner', facts.denied_kinds?.join(', ')],
    ['Device id', <code key="id">{device.id}</code>],
  ];
  const known = rows.filter(([, value]) => value);
  return (
    <>
      {facts.os_name || facts.hostname ? (
        <Facts
          rows={known.map(([name, value]) => [name, typeof value === 'string' ? visible(value) : value])}
        />
      ) : (
        <Empty
          title="No facts yet"
          why="The device tells what it is with its first report."
          next="sudo muster-agent status"
        />
      )}
      <section className="section" aria-labelledby="assigned">
        <h2 id="assigned">Assigned</h2>
        <DataTable
          label="Assigned"
          columns={COLUMNS}
          rows={detail.assignments}
          keyOf={(row) => row.id}
          empty={<p className="dim">Nothing is assigned to it.</p>}
        />
      </section>
    </>
  );
}

function memory(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}
