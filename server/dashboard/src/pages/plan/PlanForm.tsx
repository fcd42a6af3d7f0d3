// What a real device would do with a profile: it is asked itself, and nothing is saved.
import { Autocomplete, Button, NativeSelect } from '@mantine/core';
import { useMutation, useQuery } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { api, withQuery } from '../../api/client';
import { profilesQuery, revisionQuery } from '../../api/queries';
import type { Device, DevicePlan, NewDevicePlan, Page } from '../../api/types';
import { ProblemNote } from '../../components/parts';
import { visible } from '../../components/visible';
import { PlanView } from './PlanView';

interface Tried {
  name: string;
  source: string;
}

/** On which device: it is looked for by part of its name. */
export function PlanOnDevice({ tried }: { tried: Tried }) {
  const [device, setDevice] = useState('');
  const found = useQuery({
    queryKey: ['devices', 'named', device],
    queryFn: () => api.get<Page<Device>>(withQuery('/devices', { q: device, limit: 8 })),
  });
  const names = found.data?.items.filter(isIn).map((each) => each.name) ?? [];
  return (
    <Ask device={device} tried={tried}>
      <Autocomplete
        label="Device"
        description="It has to be connected; it reads, and writes nothing."
        data={names}
        filter={({ options }) => options}
        value={device}
        onChange={setDevice}
      />
    </Ask>
  );
}

function isIn({ state }: Device): boolean {
  return state === 'enrolled' || state === 'ready';
}

/** Which profile: its newest revision is tried. */
export function PlanOfProfile({ device }: { device: string }) {
  const profiles = useQuery(profilesQuery);
  const [chosen, setChosen] = useState<string>();
  const name = chosen ?? profiles.data?.[0]?.name;
  const newest = profiles.data?.find((profile) => profile.name === name)?.newest;
  const revision = useQuery({ ...revisionQuery(name ?? '', newest ?? 0), enabled: newest !== undefined });
  return (
    <Ask device={device} tried={name && revision.data ? { name, source: revision.data.source } : undefined}>
      <NativeSelect
        label="Profile"
        description="The newest revision, in place of the one that is pinned for it, or as if newly assigned."
        data={(profiles.data ?? []).map((profile) => ({
          value: profile.name,
          label: `${profile.name}@${profile.newest}`,
        }))}
        value={name ?? ''}
        onChange={(e) => setChosen(e.currentTarget.value)}
      />
      <ProblemNote error={profiles.error ?? revision.error} />
    </Ask>
  );
}

interface AskProps {
  device: string;
  tried?: Tried;
  children: React.ReactNode;
}

function Ask({ device, tried, children }: AskProps) {
  const ask = useMutation({
    mutationFn: (body: NewDevicePlan) =>
      api.post<DevicePlan>(`/devices/${encodeURIComponent(device)}/plan`, body),
    gcTime: 0,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (tried) ask.mutate({ source: tried.source, params: {} });
  };
  return (
    <form className="form" onSubmit={submit}>
      {children}
      <div className="actions">
        <Button type="submit" loading={ask.isPending} disabled={!device || !tried}>
          Ask {device ? visible(device) : 'a device'}
        </Button>
      </div>
      <ProblemNote error={ask.error} />
      {ask.data && <PlanView answer={ask.data} />}
    </form>
  );
}
