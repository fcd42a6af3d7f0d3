// All profiles: newest revision, and how the devices stand that they reach.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { profilesQuery } from '../api/queries';
import type { Profile } from '../api/types';
import { type Column, DataTable } from '../components/DataTable';
import { Empty, ProblemNote } from '../components/parts';
import { Time } from '../components/Time';
import { visible, who } from '../components/visible';
import { NewProfileLink } from './profile/NewProfilePage';

const COLUMNS: Column<Profile>[] = [
  {
    id: 'name',
    header: 'Name',
    cell: (row) => (
      <Link className="name" to="/profiles/$name" params={{ name: row.name }}>
        {row.name}
      </Link>
    ),
    sort: (row) => row.name,
    width: '22%',
  },
  {
    id: 'description',
    header: 'Description',
    cell: (row) => <span title={visible(row.description)}>{visible(row.description)}</span>,
    from: 'medium',
  },
  {
    id: 'newest',
    header: 'Newest',
    cell: (row) => (
      <Link to="/profiles/$name" params={{ name: row.name }} search={{ revision: row.newest }}>
        @{row.newest}
      </Link>
    ),
    width: '80px',
  },
  {
    id: 'compliant',
    header: 'Compliant',
    cell: (row) =>
      row.devices === 0 ? (
        <span className="dim">not assigned</span>
      ) : (
        <>
          <Link to="/devices" search={{ profile: row.name, compliance: 'compliant' }}>
            {row.compliant}
          </Link>{' '}
          of{' '}
          <Link to="/devices" search={{ profile: row.name }}>
            {row.devices}
          </Link>
        </>
      ),
    sort: (row) => row.compliant - row.devices,
    width: '116px',
  },
  { id: 'by', header: 'Saved by', cell: (row) => who(row.saved_by), width: '14%', from: 'wide' },
  {
    id: 'saved',
    header: 'Saved',
    cell: (row) => <Time at={row.saved} />,
    sort: (row) => -Date.parse(row.saved),
    width: '110px',
    align: 'end',
    from: 'medium',
  },
];

export function ProfilesPage() {
  const { data, error } = useQuery(profilesQuery);
  return (
    <>
      <title>Profiles · Muster</title>
      <div className="pagehead">
        <h1>Profiles</h1>
        <div className="actions">
          <NewProfileLink />
        </div>
      </div>
      {error && !data ? (
        <ProblemNote error={error} />
      ) : (
        <DataTable
          label="Profiles"
          columns={COLUMNS}
          rows={data}
          keyOf={(row) => row.name}
          empty={
            <Empty
              title="No profiles yet"
              why="A profile says what devices should have. Write one, look at its plan, then apply it: no device has it before it is assigned."
              next="muster profile init base > base.yaml"
            />
          }
        />
      )}
    </>
  );
}
