// Questions over all devices: checks, controls, outcomes, and what keeps devices as they are.
import { infiniteQueryOptions, keepPreviousData, queryOptions } from '@tanstack/react-query';
import { api, withQuery } from './client';
import type {
  Artifact,
  CheckDetail,
  CheckedDevice,
  CheckInterval,
  CheckSummary,
  ControlDetail,
  DeviceOutcome,
  Group,
  Page,
  Pause,
  Person,
  PersonDetail,
  Removal,
  Rollout,
  RolloutDetail,
  Verdict,
  Waiver,
} from './types';

const part = encodeURIComponent;

/** What has results of checks: one check, or all of a control. */
export interface Subject {
  kind: 'check' | 'control';
  id: string;
}

/** Which outcomes of resources; the same words as in the page's address. */
export interface OutcomeFilter {
  outcome: string;
  /** `base` or `base@3`; absent for what no profile asks for. */
  profile?: string;
  resource?: string;
}

export const artifactsQuery = queryOptions({
  queryKey: ['artifacts'],
  queryFn: () => api.get<Artifact[]>('/artifacts'),
});

export const checksQuery = queryOptions({
  queryKey: ['checks'],
  queryFn: () => api.get<CheckSummary[]>('/checks'),
});

export const checkQuery = (id: string) =>
  queryOptions({ queryKey: ['check', id], queryFn: () => api.get<CheckDetail>(`/checks/${part(id)}`) });

export const controlQuery = (id: string) =>
  queryOptions({
    queryKey: ['control', id],
    queryFn: () => api.get<ControlDetail>(`/controls/${part(id)}`),
  });

/** What a device finds, with failures that are accepted told apart from others. */
export type Finding = Verdict | 'waived' | 'unwaived';

/** Which results; the same words as in the page's address. */
export interface ResultFilter {
  verdict?: Finding;
  /** A revision, as `base@3`. */
  profile?: string;
}

export const resultsQuery = ({ kind, id }: Subject, { verdict, profile }: ResultFilter) =>
  infiniteQueryOptions({
    queryKey: ['results', kind, id, verdict, profile],
    queryFn: ({ pageParam }) =>
      api.get<Page<CheckedDevice>>(
        withQuery(`/${kind}s/${part(id)}/devices`, { verdict, profile, cursor: pageParam, limit: 100 }),
      ),
    initialPageParam: '',
    getNextPageParam: (page) => page.next || undefined,
    placeholderData: keepPreviousData,
  });

export const intervalsQuery = (device: string, check: string) =>
  queryOptions({
    queryKey: ['device', device, 'intervals', check],
    queryFn: () => api.get<CheckInterval[]>(`/devices/${part(device)}/checks/${part(check)}`),
  });

export const outcomesQuery = (filter: OutcomeFilter) =>
  infiniteQueryOptions({
    queryKey: ['outcomes', filter],
    queryFn: ({ pageParam }) =>
      api.get<Page<DeviceOutcome>>(withQuery('/outcomes', { ...filter, cursor: pageParam, limit: 100 })),
    initialPageParam: '',
    getNextPageParam: (page) => page.next || undefined,
    placeholderData: keepPreviousData,
  });

export const pausesQuery = queryOptions({
  queryKey: ['pauses'],
  queryFn: () => api.get<Pause[]>('/pauses'),
});

export const removalsQuery = queryOptions({
  queryKey: ['removals'],
  queryFn: () => api.get<Removal[]>('/removals'),
});

export const rolloutsQuery = queryOptions({
  queryKey: ['rollouts'],
  queryFn: () => api.get<Rollout[]>('/rollouts'),
});

export const rolloutQuery = (id: string) =>
  queryOptions({
    queryKey: ['rollout', id],
    queryFn: () => api.get<RolloutDetail>(`/rollouts/${part(id)}`),
  });

export const peopleQuery = queryOptions({
  queryKey: ['people'],
  queryFn: () => api.get<Person[]>('/people'),
});

export const personQuery = (username: string) =>
  queryOptions({
    queryKey: ['person', username],
    queryFn: () => api.get<PersonDetail>(`/people/${part(username)}`),
  });

export const groupsQuery = queryOptions({
  queryKey: ['groups'],
  queryFn: () => api.get<Group[]>('/groups'),
});

/** Waivers in force, or all that ever were. */
export const waiversQuery = (all = false) =>
  queryOptions({
    queryKey: ['waivers', all],
    queryFn: () => api.get<Waiver[]>(withQuery('/waivers', { all })),
  });
