// All artifacts: the files that profiles name by their digest, what needs each, and who put it there.
import { Modal } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { artifactsQuery } from '../../api/fleet';
import type { Artifact } from '../../api/types';
import { Badge } from '../../components/Badge';
import { type Column, DataTable } from '../../components/DataTable';
import { CopyButton, Empty, Facts, Note, ProblemNote, RevisionLink } from '../../components/parts';
import { sized, sizedExactly } from '../../components/size';
import { Time } from '../../components/Time';
import { useMayChange } from '../../components/useMayChange';
import { visible, who } from '../../components/visible';
import { weight } from '../../components/words';
import { DeleteForm } from './DeleteForm';

/** Revisions that a row names before it is opened. */
const NAMED = 2;

const COLUMNS: Column<Artifact>[] = [
  {
    id: 'name',
    header: 'Name',
    cell: (row) => (
      <span className="name" title={visible(row.name)}>
        {visible(row.name)}
      </span>
    ),
    sort: (row) => row.name,
  },
  {
    id: 'state',
    header: 'State',
    cell: (row, opening) => <Badge word={row.state} opening={opening} />,
    sort: (row) => weight(row.state),
    width: '116px',
  },
  {
    id: 'digest',
    header: 'Digest',
    cell: (row) => (
      <>
        <code title={row.digest}>{row.digest.slice(0, 19)}…</code>
        <CopyButton text={row.digest} label={`Copy the digest of ${visible(row.name)}`} />
      </>
    ),
    width: '210px',
    from: 'medium',
  },
  {
    id: 'needed',
    header: 'Needed by',
    cell: (row) => <Needed by={row.named_by} />,
    sort: (row) => row.named_by.length,
    width: '20%',
    from: 'medium',
  },
  {
    id: 'size',
    header: 'Size',
    cell: (row) => sized(row.size),
    sort: (row) => row.size,
    width: '116px',
    align: 'end',
    from: 'medium',
  },
  { id: 'by', header: 'Put by', cell: (row) => who(row.put_by), width: '12%', from: 'wide' },
  {
    id: 'at',
    header: 'Put',
    cell: (row) => <Time at={row.begun} />,
    sort: (row) => -Date.parse(row.begun),
    width: '110px',
    align: 'end',
    from: 'medium',
  },
];

function Needed({ by }: { by: string[] }) {
  if (by.length === 0) return <span className="dim">nothing</span>;
  const more = by.length - NAMED;
  return (
    <>
      {by.slice(0, NAMED).map((revision, at) => (
        <span key={revision}>
          {at > 0 && ', '}
          <RevisionLink profile={revision} />
        </span>
      ))}
      {more > 0 && ` and ${more} more`}
    </>
  );
}

const SAID: Record<Artifact['state'], string> = {
  stored: 'All of it is here, and its digest was right.',
  uploading: 'Some of it is still to come. Whoever put it goes on with the same command: muster artifact put FILE.',
  missing: 'It was stored, and its file is not there any more. Put it again: muster artifact put FILE.',
};

function Opened({ artifact }: { artifact: Artifact }) {
  return (
    <>
      <p>{SAID[artifact.state]}</p>
      <Facts
        rows={[
          ['Digest', <code key="digest">{artifact.digest}</code>],
          [
            'Size',
            artifact.state === 'uploading'
              ? `${sized(artifact.received)} of ${sized(artifact.size)} came so far`
              : sizedExactly(artifact.size),
          ],
          ['Put by', who(artifact.put_by)],
          ['Begun', <Time key="begun" at={artifact.begun} />],
          ['Stored', artifact.stored ? <Time key="stored" at={artifact.stored} /> : 'not yet'],
          ['Needed by', <AllNeeded key="needed" by={artifact.named_by} />],
        ]}
      />
    </>
  );
}

function AllNeeded({ by }: { by: string[] }) {
  if (by.length === 0) return 'no revision that matters now: it can be deleted';
  return by.map((revision, at) => (
    <span key={revision}>
      {at > 0 && ', '}
      <RevisionLink profile={revision} />
    </span>
  ));
}

/** What is needed is not deleted: the server would refuse, and says here why there is no button. */
function actions(onDelete: (artifact: Artifact) => void): Column<Artifact> {
  return {
    id: 'delete',
    header: 'Actions',
    isQuiet: true,
    cell: (row) =>
      row.named_by.length === 0 ? (
        <button
          type="button"
          className="iconbutton"
          aria-label={`Delete ${visible(row.name)}`}
          onClick={() => onDelete(row)}
        >
          Delete
        </button>
      ) : null,
    width: '82px',
    align: 'end',
  };
}

export function ArtifactsPage() {
  const { data, error } = useQuery(artifactsQuery);
  const mayChange = useMayChange();
  const [deleting, setDeleting] = useState<Artifact>();
  const [said, setSaid] = useState('');
  const close = () => setDeleting(undefined);
  const columns = mayChange ? [...COLUMNS, actions(setDeleting)] : COLUMNS;
  return (
    <>
      <title>Artifacts · Muster</title>
      <div className="pagehead">
        <h1>Artifacts</h1>
      </div>
      {said && <Note tone="good">{said}</Note>}
      {error && !data ? (
        <ProblemNote error={error} />
      ) : (
        <DataTable
          label="Artifacts"
          columns={columns}
          rows={data}
          keyOf={(row) => row.digest}
          detail={(row) => <Opened artifact={row} />}
          empty={
            <Empty
              title="No artifacts"
              why="An artifact is a file that no package repository has, such as an archive or a .deb or .rpm of a vendor. Put it on the server, and profiles name it by the digest that the command prints."
              next="muster artifact put tool-1.2.tar.gz"
            />
          }
        />
      )}
      <Modal opened={deleting !== undefined} onClose={close} title="Delete artifact">
        {deleting && <DeleteForm artifact={deleting} onDone={close} onSaid={setSaid} />}
      </Modal>
    </>
  );
}
