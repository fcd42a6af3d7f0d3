// Who waits to be let in, and the tokens by which devices enroll.
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { devicesQuery, tokensQuery } from '../../api/queries';
import type { Device } from '../../api/types';
import { DeviceBadge } from '../../components/Badge';
import { type Column, DataTable } from '../../components/DataTable';
import { DialogButton } from '../../components/DialogButton';
import { ProblemNote } from '../../components/parts';
import { Time } from '../../components/Time';
import { visible } from '../../components/visible';
import { CreateToken } from './CreateToken';
import { Tokens } from './Tokens';

const PENDING: Column<Device>[] = [
  { id: 'state', header: 'State', cell: (row) => <DeviceBadge word={row.state} device={row.id} />, width: '112px' },
  {
    id: 'name',
    header: 'Device',
    cell: (row) => (
      <Link className="name" to="/devices/$id" params={{ id: row.id }}>
        {visible(row.name || row.serial || row.id)}
      </Link>
    ),
  },
  { id: 'serial', header: 'Claims serial', cell: (row) => visible(row.serial) || '–', from: 'medium' },
  {
    id: 'since',
    header: 'Since',
    cell: (row) => <Time at={row.waiting_since ?? row.registered} />,
    width: '112px',
    align: 'end',
  },
];

export function EnrollmentPage() {
  const pending = useInfiniteQuery(devicesQuery({ state: 'pending' }));
  const tokens = useQuery(tokensQuery);
  return (
    <>
      <title>Enrollment · Muster</title>
      <div className="pagehead">
        <h1>Enrollment</h1>
        <div className="actions">
          <DialogButton label="Create token" title="Create token">
            {(close) => <CreateToken onDone={close} />}
          </DialogButton>
        </div>
      </div>
      <section aria-labelledby="pending">
        <h2 id="pending">Waiting for approval</h2>
        {pending.error && !pending.data ? (
          <ProblemNote error={pending.error} />
        ) : (
          <DataTable
            label="Waiting for approval"
            columns={PENDING}
            rows={pending.data?.pages.flatMap((page) => page.items)}
            keyOf={(row) => row.id}
            empty={
              <p className="dim">
                No device waits. One does when its serial is not registered and its token lets it ask, or when the
                device has an owner and its token is not bound to its serial.
              </p>
            }
          />
        )}
      </section>
      <section className="section" aria-labelledby="tokens">
        <h2 id="tokens">Tokens</h2>
        {tokens.error && !tokens.data ? <ProblemNote error={tokens.error} /> : <Tokens rows={tokens.data} />}
      </section>
    </>
  );
}
