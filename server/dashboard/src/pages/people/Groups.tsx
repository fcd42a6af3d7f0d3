// Groups of people: a profile gives an account to each member.
import { useQuery } from '@tanstack/react-query';
import { groupsQuery } from '../../api/fleet';
import type { Group } from '../../api/types';
import type { Column } from '../../components/DataTable';
import { Empty } from '../../components/parts';
import { visible } from '../../components/visible';
import { AddGroup } from './AddGroup';
import { Members } from './Members';
import { type Narrowing, Roster } from './Roster';

const COLUMNS: Column<Group>[] = [
  {
    id: 'name',
    header: 'Group',
    cell: (row) => <span className="name">{visible(row.name)}</span>,
    sort: (row) => row.name,
    width: '30%',
  },
  {
    id: 'description',
    header: 'What it is',
    cell: (row) => visible(row.description) || <span className="dim">–</span>,
    from: 'medium',
  },
  {
    id: 'members',
    header: 'Members',
    cell: (row, { toggle, isOpen }) => (
      <button type="button" className="linkbutton" aria-expanded={isOpen} onClick={toggle}>
        {row.members.length}
        <span className="hidden-visually"> members of {visible(row.name)}: show them</span>
      </button>
    ),
    sort: (row) => -row.members.length,
    width: '112px',
    align: 'end',
  },
  {
    id: 'devices',
    header: 'Devices',
    cell: (row) => row.devices.toLocaleString('en'),
    sort: (row) => -row.devices,
    width: '90px',
    align: 'end',
  },
];

/** What a group is found by. */
const textsOf = (row: Group) => [row.name, row.description, ...row.members];

export function Groups({ onSaid, ...narrowing }: Narrowing & { onSaid: (said: string) => void }) {
  return (
    <Roster
      label="Groups"
      thing={['group', 'groups']}
      hint="name, description or member"
      textsOf={textsOf}
      {...narrowing}
      list={useQuery(groupsQuery)}
      columns={COLUMNS}
      keyOf={(row) => row.name}
      detail={(row) => <Members group={row} onSaid={onSaid} />}
      add="Add group"
      form={(close) => <AddGroup onDone={close} onSaid={onSaid} />}
      empty={
        <Empty
          title="No groups yet"
          why={'A profile gives an account to each member of a group: account: { from: "group:engineers" }.'}
          next="muster group add engineers --member ada"
        />
      }
    />
  );
}
