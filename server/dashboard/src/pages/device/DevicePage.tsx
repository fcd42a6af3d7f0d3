// One device: what it is, why it is not compliant, and everything it has reported.
import './device.css';
import { Tabs } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router';
import { type ReactNode, useEffect, useRef } from 'react';
import { ApiError } from '../../api/client';
import { deviceQuery } from '../../api/queries';
import type { Device, DeviceDetail } from '../../api/types';
import { DeviceBadge } from '../../components/Badge';
import { Empty, Labels, ProblemNote } from '../../components/parts';
import { Time } from '../../components/Time';
import { visible } from '../../components/visible';
import { look, standing } from '../../components/words';
import { Actions } from './Actions';
import { ChecksTab } from './ChecksTab';
import { Claims } from './Claims';
import { FactsTab } from './FactsTab';
import { HistoryTab } from './HistoryTab';
import { Lost } from './Lost';
import { Paused } from './Paused';
import { ResourcesTab } from './ResourcesTab';
import { SoftwareTab } from './SoftwareTab';
import { TableTab } from './TableTab';
import { Why } from './Why';

const TABS = ['resources', 'checks', 'software', 'accounts', 'facts', 'history'] as const;
type Tab = (typeof TABS)[number];

/** Which tab is shown, read from the address; the first when none is named. */
export function readDeviceTab(search: Record<string, unknown>): { tab?: Tab } {
  return { tab: TABS.find((tab) => tab === search.tab) };
}

const route = getRouteApi('/shell/devices/$id');

export function DevicePage() {
  const { id } = route.useParams();
  const { data, error } = useQuery(deviceQuery(id));
  if (!data && error instanceof ApiError && error.status === 404) {
    return (
      <Empty isPage title={`There is no device ${visible(id)}`} why="It may have another name by now.">
        <Link to="/devices">All devices</Link>
      </Empty>
    );
  }
  if (!data && error) return <ProblemNote error={error} />;
  return (
    <>
      <title>{`${id} · Muster`}</title>
      {data ? <Loaded detail={data} id={id} /> : <Loading id={id} />}
    </>
  );
}

function Loading({ id }: { id: string }) {
  return (
    <div aria-busy="true">
      <div className="pagehead">
        <h1>{visible(id)}</h1>
      </div>
      <span className="bone" />
    </div>
  );
}

function Loaded({ detail, id }: { detail: DeviceDetail; id: string }) {
  const { device } = detail;
  return (
    <>
      <div className="pagehead">
        <h1>{visible(device.name || device.id)}</h1>
        <DeviceBadge word={standing(device)} device={device.name || device.id} />
        {device.labels.length > 0 && <Labels labels={device.labels} />}
        <Actions detail={detail} />
      </div>
      <Strip detail={detail} />
      {detail.paused && <Paused paused={detail.paused} />}
      {detail.lost && <Lost device={device} lost={detail.lost} />}
      {detail.pending && <Claims device={device} pending={detail.pending} />}
      <Why detail={detail} />
      <DeviceTabs detail={detail} id={id} />
    </>
  );
}

function Strip({ detail }: { detail: DeviceDetail }) {
  const { device, facts } = detail;
  const items: [string, ReactNode][] = [
    ['Owner', device.owner ? visible(device.owner) : <span className="dim">none</span>],
    ['Serial', <span key="serial">{visible(device.serial) || <span className="dim">none</span>}</span>],
    ['OS', visible(facts.os_name || device.os) || <span className="dim">not reported yet</span>],
    ['State', look(device.state).label],
    ['Applied', <Generations key="generations" device={device} />],
    ['Last seen', <LastSeen key="seen" device={device} />],
    [
      'Certificate ends',
      <Time key="end" at={detail.certificate_not_after} side="start" none="no certificate" />,
    ],
    ...reenrollment(detail),
    ['Registered', <Time key="registered" at={device.registered} side="start" />],
    ['Ready', <Time key="ready" at={device.ready} side="start" none="not yet" />],
  ];
  return (
    <dl className="strip">
      {items.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function reenrollment({ reenroll_until: until }: DeviceDetail): [string, ReactNode][] {
  return until ? [['May enroll again until', <Time key="reenroll" at={until} side="start" />]] : [];
}

function Generations({ device }: { device: Device }) {
  if (device.generation_wanted === 0) return <span className="dim">nothing assigned</span>;
  if (device.generation_applied === device.generation_wanted) {
    return <>generation {device.generation_applied}</>;
  }
  return (
    <>
      {device.generation_applied === 0 ? 'none' : `generation ${device.generation_applied}`}
      <span className="dim">, wanted {device.generation_wanted}</span>
    </>
  );
}

function LastSeen({ device }: { device: Device }) {
  if (device.connected) return <>connected</>;
  return <Time at={device.last_seen} side="start" none="never" />;
}

/** In a narrow window not all tabs fit: the one that is chosen has to be among those in sight. */
function useInSight(tab: Tab) {
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const sight = list.current?.getBoundingClientRect();
    const chosen = list.current?.querySelector('[data-active]')?.getBoundingClientRect();
    if (list.current && sight && chosen) list.current.scrollLeft += Math.max(0, chosen.right - sight.right);
  }, [tab]);
  return list;
}

function DeviceTabs({ detail, id }: { detail: DeviceDetail; id: string }) {
  const { tab = 'resources' } = route.useSearch();
  const navigate = useNavigate();
  const list = useInSight(tab);
  const change = (next: string | null) =>
    navigate({ to: '/devices/$id', params: { id }, search: readDeviceTab({ tab: next }), replace: true });
  return (
    <Tabs className="tabs" value={tab} onChange={change} keepMounted={false}>
      <Tabs.List ref={list}>
        <Tabs.Tab value="resources">Resources</Tabs.Tab>
        <Tabs.Tab value="checks">Checks</Tabs.Tab>
        <Tabs.Tab value="software">Software</Tabs.Tab>
        <Tabs.Tab value="accounts">Accounts</Tabs.Tab>
        <Tabs.Tab value="facts">Facts</Tabs.Tab>
        <Tabs.Tab value="history">History</Tabs.Tab>
      </Tabs.List>
      <Tabs.Panel value="resources">
        <ResourcesTab id={id} detail={detail} />
      </Tabs.Panel>
      <Tabs.Panel value="checks">
        <ChecksTab id={id} detail={detail} />
      </Tabs.Panel>
      <Tabs.Panel value="software">
        <SoftwareTab id={id} />
      </Tabs.Panel>
      <Tabs.Panel value="accounts">
        <TableTab id={id} table="users" what="accounts" first={['username', 'uid']} />
      </Tabs.Panel>
      <Tabs.Panel value="facts">
        <FactsTab detail={detail} />
      </Tabs.Panel>
      <Tabs.Panel value="history">
        <HistoryTab id={id} />
      </Tabs.Panel>
    </Tabs>
  );
}
