// Where each revision is pinned.
import { Button, Modal } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { api } from '../../api/client';
import type { Assignment, ProfileDetail } from '../../api/types';
import { type Column, DataTable } from '../../components/DataTable';
import { Empty, ProblemNote, RevisionLink, TargetLink } from '../../components/parts';
import { Time } from '../../components/Time';
import { useMayChange } from '../../components/useMayChange';
import { visible, who } from '../../components/visible';
import { AssignForm } from './AssignForm';

const COLUMNS: Column<Assignment>[] = [
  { id: 'target', header: 'Assigned to', cell: (row) => <TargetLink target={row.target} /> },
  {
    id: 'revision',
    header: 'Revision',
    cell: (row) => (
      <>
        <RevisionLink profile={`${row.profile}@${row.revision}`} />
        {row.follow && <span className="dim"> and each that is saved</span>}
      </>
    ),
    sort: (row) => row.revision,
  },
  { id: 'mode', header: 'Mode', cell: (row) => row.mode, width: '80px', from: 'medium' },
  {
    id: 'params',
    header: 'Parameters',
    cell: (row) => <span className="dim">{paramsOf(row)}</span>,
    from: 'wide',
  },
  {
    id: 'precedence',
    header: 'Precedence',
    cell: (row) => row.precedence,
    sort: (row) => -row.precedence,
    width: '100px',
    align: 'end',
    from: 'medium',
  },
  {
    id: 'devices',
    header: 'Devices',
    cell: (row) => <DeviceCount row={row} />,
    sort: (row) => -row.devices,
    width: '90px',
    align: 'end',
  },
  { id: 'by', header: 'By', cell: (row) => who(row.created_by), width: '14%', from: 'medium' },
  {
    id: 'at',
    header: 'When',
    cell: (row) => <Time at={row.created} />,
    width: '110px',
    align: 'end',
    from: 'medium',
  },
];

function paramsOf(row: Assignment): string {
  const params = Object.entries(row.params).map(([name, value]) => `${name}=${value}`);
  return params.length > 0 ? visible(params.join(', ')) : '–';
}

function DeviceCount({ row }: { row: Assignment }) {
  const [kind, name = ''] = row.target.split(/:(.*)/s);
  if (kind === 'label') {
    return (
      <Link to="/devices" search={{ label: name, reached: true }}>
        {row.devices}
      </Link>
    );
  }
  if (kind === 'device') {
    return (
      <Link to="/devices/$id" params={{ id: name }}>
        {row.devices}
      </Link>
    );
  }
  return (
    <Link to="/devices" search={{ reached: true }}>
      {row.devices}
    </Link>
  );
}

export function AssignedTab({ detail }: { detail: ProfileDetail }) {
  const mayChange = useMayChange();
  const [dialog, setDialog] = useState<'assign' | Assignment>();
  const close = () => setDialog(undefined);
  const { name, newest } = detail.profile;
  const ending = typeof dialog === 'object' ? dialog : undefined;
  const columns: Column<Assignment>[] = mayChange
    ? [
        ...COLUMNS,
        {
          id: 'end',
          header: 'Actions',
          isQuiet: true,
          cell: (row) => (
            <button
              type="button"
              className="iconbutton"
              aria-label={`End ${row.profile}@${row.revision} to ${row.target}`}
              onClick={() => setDialog(row)}
            >
              End
            </button>
          ),
          width: '60px',
          align: 'end',
        },
      ]
    : COLUMNS;
  return (
    <>
      {mayChange && detail.assignments.length > 0 && (
        <div className="bar">
          <Button size="xs" onClick={() => setDialog('assign')}>
            Assign
          </Button>
        </div>
      )}
      <DataTable
        label="Assignments"
        columns={columns}
        rows={detail.assignments}
        keyOf={(row) => row.id}
        empty={
          <Empty
            title="Assigned to nothing"
            why="A saved profile does nothing until a revision of it is assigned."
            next={`muster assign ${name}@${newest} --to label:laptop`}
          >
            {mayChange && <Button onClick={() => setDialog('assign')}>Assign</Button>}
          </Empty>
        }
      />
      <Modal opened={dialog === 'assign'} onClose={close} title={`Assign ${name}`} size="lg">
        <AssignForm detail={detail} onDone={close} />
      </Modal>
      <Modal opened={ending !== undefined} onClose={close} title="End this assignment">
        {ending && <EndForm assignment={ending} onDone={close} />}
      </Modal>
    </>
  );
}

function EndForm({ assignment, onDone }: { assignment: Assignment; onDone: () => void }) {
  const client = useQueryClient();
  const end = useMutation({
    mutationFn: () => api.delete(`/assignments/${encodeURIComponent(assignment.id)}`),
    onSuccess: async () => {
      await client.invalidateQueries();
      onDone();
    },
  });
  const count = assignment.devices === 1 ? '1 device' : `${assignment.devices} devices`;
  return (
    <div className="form">
      <p>
        {assignment.profile}@{assignment.revision} to {visible(assignment.target)} ends on {count}. What
        Muster made there is removed and what it changed is put back, as far as nobody else has changed it
        since.
      </p>
      <ProblemNote error={end.error} />
      <div className="actions">
        <Button color="red" loading={end.isPending} onClick={() => end.mutate()}>
          End on {count}
        </Button>
        <Button variant="default" onClick={onDone}>
          Cancel
        </Button>
      </div>
    </div>
  );
}
