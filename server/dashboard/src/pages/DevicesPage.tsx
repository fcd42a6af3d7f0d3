// Every device, those never seen too; the address keeps the filters.
import { Select } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router';
import { useCallback, useMemo } from 'react';
import { type DeviceFilter, devicesQuery } from '../api/queries';
import type { Compliance, Device, DeviceSort, DeviceState } from '../api/types';
import { DeviceBadge } from '../components/Badge';
import { Chip } from '../components/Chip';
import { type Column, DataTable, type ServerSort } from '../components/DataTable';
import { DialogButton } from '../components/DialogButton';
import { Empty, Labels, ProblemNote } from '../components/parts';
import { SearchBox } from '../components/SearchBox';
import { Time } from '../components/Time';
import { useMayChange } from '../components/useMayChange';
import { visible } from '../components/visible';
import { look, standing } from '../components/words';
import { BulkBar } from './devices/BulkBar';
import { Export } from './devices/Export';
import { ImportDevices } from './devices/ImportDevices';
import { useSelection } from './devices/useSelection';

const COMPLIANCES: Compliance[] = ['compliant', 'failing', 'unknown', 'stale', 'unmanaged'];
const STATES: DeviceState[] = ['registered', 'pending', 'enrolled', 'ready', 'held', 'lost', 'revoked'];
const SORTS: DeviceSort[] = ['name', 'compliance', 'last_seen', 'registered'];

/** What the list is narrowed to, read from the address; words that the server would refuse are left out. */
export function readDeviceSearch(search: Record<string, unknown>): DeviceFilter {
  const text = (value: unknown) => (value === undefined || value === '' ? undefined : String(value));
  const among = (words: string[], value: unknown) => words.find((word) => word === value);
  return {
    q: text(search.q),
    label: text(search.label),
    profile: text(search.profile),
    state: among(STATES, search.state),
    compliance: among(COMPLIANCES, search.compliance),
    reached: search.reached === true || undefined,
    sort: among(SORTS, search.sort),
  };
}

const route = getRouteApi('/shell/devices');

const COLUMNS: Column<Device>[] = [
  {
    id: 'compliance',
    header: 'Status',
    cell: (device) => <DeviceBadge word={standing(device)} device={device.name || device.id} />,
    width: '128px',
  },
  {
    id: 'name',
    header: 'Name',
    cell: (device) => (
      <Link className="name" to="/devices/$id" params={{ id: device.name || device.id }}>
        {visible(device.name || device.id)}
      </Link>
    ),
  },
  {
    id: 'state',
    header: 'State',
    cell: (device) => <span className="dim">{look(device.state).label}</span>,
    width: '118px',
    from: 'medium',
  },
  {
    id: 'owner',
    header: 'Owner',
    cell: (device) => (device.owner ? visible(device.owner) : <span className="dim">–</span>),
    width: '11%',
    from: 'medium',
  },
  {
    id: 'labels',
    header: 'Labels',
    cell: (device) => <Labels labels={device.labels} />,
    width: '18%',
    from: 'wide',
  },
  {
    id: 'os',
    header: 'OS',
    cell: (device) => (device.os ? visible(device.os) : <span className="dim">–</span>),
    width: '19%',
    from: 'wide',
  },
  {
    id: 'failing',
    header: 'Failing',
    cell: (device) =>
      device.failing > 0 ? (
        <Link to="/devices/$id" params={{ id: device.name || device.id }} hash="why">
          {device.failing}
          <span className="hidden-visually"> failing on {device.name}</span>
        </Link>
      ) : (
        <span className="dim">{device.waived ? `${device.waived} waived` : 0}</span>
      ),
    width: '92px',
    align: 'end',
    from: 'medium',
  },
  {
    id: 'last_seen',
    header: 'Last seen',
    cell: (device) => <Time at={device.last_seen} none="never" />,
    width: '118px',
    align: 'end',
    from: 'medium',
  },
];

export function DevicesPage() {
  const filter = route.useSearch();
  const navigate = useNavigate();
  const change = useCallback(
    (part: DeviceFilter) =>
      navigate({
        to: '/devices',
        search: (before) => readDeviceSearch({ ...before, ...part }),
        replace: true,
      }),
    [navigate],
  );
  const list = useInfiniteQuery(devicesQuery(filter));
  const rows = useMemo(() => list.data?.pages.flatMap((page) => page.items), [list.data]);
  const total = list.data?.pages[0]?.total;
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = list;
  const onNearEnd = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  const sort: ServerSort = {
    by: {
      name: { word: 'name', direction: 'ascending' },
      compliance: { word: 'compliance', direction: 'descending' },
      last_seen: { word: 'last_seen', direction: 'descending' },
    },
    current: filter.sort ?? 'name',
    onChange: (word) => change({ sort: word === 'name' ? undefined : word }),
  };
  const selection = useSelection(rows);
  const mayChange = useMayChange();
  const columns = useMemo(
    () => (mayChange ? [selection.column, ...COLUMNS] : COLUMNS),
    [mayChange, selection.column],
  );
  const { q, label, profile, state, compliance, reached } = filter;
  const isNarrowed = Boolean(q || label || profile || state || compliance || reached);
  return (
    <>
      <title>Devices · Muster</title>
      <div className="pagehead">
        <h1>Devices</h1>
        <div className="actions">
          <Export filter={filter} />
          <ImportButton />
        </div>
      </div>
      <Filters filter={filter} total={total} onChange={change} />
      <BulkBar selection={selection} filter={filter} total={total} />
      {list.error && !rows ? (
        <ProblemNote error={list.error} />
      ) : (
        <DataTable
          label="Devices"
          columns={columns}
          rows={rows}
          total={total}
          keyOf={(device) => device.id}
          onNearEnd={onNearEnd}
          serverSort={sort}
          asked={JSON.stringify(filter)}
          empty={<NoDevices isNarrowed={isNarrowed} />}
        />
      )}
    </>
  );
}

function ImportButton() {
  return (
    <DialogButton label="Import" title="Import devices" look="other">
      {(close) => <ImportDevices onDone={close} />}
    </DialogButton>
  );
}

function NoDevices({ isNarrowed }: { isNarrowed: boolean }) {
  if (!isNarrowed) {
    return (
      <Empty
        title="No devices yet"
        why="Devices are listed from the moment their serial is registered, or once they ask to enroll."
        next="muster device import devices.csv --dry-run"
      />
    );
  }
  return (
    <Empty title="No device is like that" why="Every device is left out by the filters above.">
      <Link to="/devices">Show all devices</Link>
    </Empty>
  );
}

function Filters(props: { filter: DeviceFilter; total?: number; onChange: (part: DeviceFilter) => void }) {
  const { filter, total, onChange } = props;
  const options = (words: string[]) => words.map((word) => ({ value: word, label: look(word).label }));
  return (
    <search className="bar">
      <SearchBox
        label="Search devices by name, serial or owner"
        hint="Name, serial or owner"
        text={filter.q ?? ''}
        onChange={(q) => onChange({ q })}
      />
      <Select
        aria-label="Compliance"
        placeholder="Any compliance"
        size="xs"
        w={160}
        clearable
        clearButtonProps={{ 'aria-label': 'Any compliance' }}
        data={options(COMPLIANCES)}
        value={filter.compliance ?? null}
        onChange={(compliance) => onChange({ compliance: compliance ?? undefined })}
      />
      <Select
        aria-label="State"
        placeholder="Any state"
        size="xs"
        w={140}
        clearable
        clearButtonProps={{ 'aria-label': 'Any state' }}
        data={options(STATES)}
        value={filter.state ?? null}
        onChange={(state) => onChange({ state: state ?? undefined })}
      />
      <Chip what="label" name={filter.label} onRemove={() => onChange({ label: undefined })} />
      <Chip what="profile" name={filter.profile} onRemove={() => onChange({ profile: undefined })} />
      <Chip
        what="not"
        name={filter.reached ? 'lost or revoked' : undefined}
        onRemove={() => onChange({ reached: undefined })}
      />
      <span className="count" role="status">
        {total !== undefined &&
          `${total.toLocaleString('en')} ${filter.compliance ? 'enrolled ' : ''}${total === 1 ? 'device' : 'devices'}`}
      </span>
    </search>
  );
}
