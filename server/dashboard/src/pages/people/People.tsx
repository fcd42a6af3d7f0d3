// People who own devices and accounts, those who left too.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { peopleQuery, personQuery } from '../../api/fleet';
import type { Person } from '../../api/types';
import type { Column } from '../../components/DataTable';
import { DialogButton } from '../../components/DialogButton';
import { Empty, ProblemNote } from '../../components/parts';
import { Time } from '../../components/Time';
import { counted, visible } from '../../components/visible';
import { AddPerson } from './AddPerson';
import { EditPerson } from './EditPerson';
import { Leave } from './Leave';
import { type Narrowing, Roster } from './Roster';

const COLUMNS: Column<Person>[] = [
  {
    id: 'username',
    header: 'User name',
    cell: (row) => <span className="name">{visible(row.username)}</span>,
    sort: (row) => row.username,
    width: '24%',
  },
  {
    id: 'full_name',
    header: 'Name',
    cell: (row) => (
      <>
        {visible(row.full_name ?? '–')}
        {!row.active && <span className="dim"> (left)</span>}
      </>
    ),
    sort: (row) => row.full_name ?? '',
  },
  {
    id: 'uid',
    header: 'UID',
    cell: (row) => row.uid,
    sort: (row) => row.uid ?? 0,
    width: '90px',
    align: 'end',
    from: 'medium',
  },
  {
    id: 'keys',
    header: 'SSH keys',
    cell: (row) => (row.ssh_keys?.length ? counted(row.ssh_keys.length, 'key') : <span className="dim">none</span>),
    width: '110px',
    from: 'medium',
  },
  {
    id: 'groups',
    header: 'Groups',
    cell: (row) => <span className="dim">{row.groups.map(visible).join(', ') || '–'}</span>,
    width: '20%',
    from: 'medium',
  },
  {
    id: 'devices',
    header: 'Devices',
    cell: (row) => (
      <Link to="/devices" search={{ q: row.username }}>
        devices
        <span className="hidden-visually"> of {row.username}</span>
      </Link>
    ),
    width: '90px',
    align: 'end',
  },
];

/** What a person is found by. */
const textsOf = (row: Person) => [row.username, row.full_name, String(row.uid ?? ''), ...row.groups];

export function People({ onSaid, ...narrowing }: Narrowing & { onSaid: (said: string) => void }) {
  return (
    <Roster
      label="People"
      thing={['person', 'people']}
      hint="name, user name, uid or group"
      textsOf={textsOf}
      {...narrowing}
      list={useQuery(peopleQuery)}
      columns={COLUMNS}
      keyOf={(row) => row.username}
      detail={(row) => <Opened person={row} onSaid={onSaid} />}
      add="Add person"
      form={(close) => <AddPerson onDone={close} />}
      empty={
        <Empty
          title="No people yet"
          why="A person owns devices, and gets the account that a profile gives to a device's owner. An import makes those that its owner column names."
          next="muster person add ada --name 'Ada Lovelace'"
        />
      }
    />
  );
}

function Opened({ person, onSaid }: { person: Person; onSaid: (said: string) => void }) {
  const { data, error } = useQuery(personQuery(person.username));
  return (
    <div className="opened">
      <p>
        {visible(person.full_name ?? person.username)}, uid {person.uid}: the number stays theirs and is never given
        again.
        {person.left && (
          <>
            {' '}
            Left <Time at={person.left} side="start" />, and has no account anywhere.
          </>
        )}
      </p>
      {person.ssh_keys.map((key) => (
        <code key={key} className="wrap">
          {visible(key)}
        </code>
      ))}
      {person.ssh_keys.length === 0 && <p className="dim">No SSH key logs in as them.</p>}
      <p>
        Groups: {person.groups.map(visible).join(', ') || <span className="dim">none</span>}.{' '}
        <Link to="/people" search={{ tab: 'groups' }}>
          All groups
        </Link>
      </p>
      <ProblemNote error={error} />
      {data ? (
        <>
          <Devices what="Owns" names={data.owns} />
          <Devices what="Known by a group to" names={data.through_groups} />
        </>
      ) : (
        <span className="bone" />
      )}
      <Change person={person} onSaid={onSaid} />
    </div>
  );
}

/** Names of devices, each a way to its page. */
function Devices({ what, names }: { what: string; names: string[] }) {
  return (
    <p>
      {what} {names.length === 0 ? <span className="dim">no device</span> : `${counted(names.length, 'device')}: `}
      {names.map((name, i) => (
        <span key={name}>
          {i > 0 && ', '}
          <Link to="/devices/$id" params={{ id: name }}>
            {visible(name)}
          </Link>
        </span>
      ))}
    </p>
  );
}

function Change({ person, onSaid }: { person: Person; onSaid: (said: string) => void }) {
  const name = visible(person.username);
  const verb = person.active ? 'Edit' : 'Bring back';
  return (
    <div className="bar">
      <DialogButton
        label={<Of verb={verb} name={name} />}
        title={person.active ? `Edit ${name}` : `Bring ${name} back`}
        look="other"
      >
        {(close) => <EditPerson person={person} onDone={close} onSaid={onSaid} />}
      </DialogButton>
      {person.active && (
        <DialogButton label={<Of verb="Has left" name={name} />} title={`${name} has left`} size="md" look="danger">
          {(close) => <Leave person={person} onDone={close} onSaid={onSaid} />}
        </DialogButton>
      )}
    </div>
  );
}

/** A verb that stands in every row, told apart for who does not see the row. */
function Of({ verb, name }: { verb: string; name: string }) {
  return (
    <>
      {verb}
      <span className="hidden-visually"> {name}</span>
    </>
  );
}
