// Every question that pages ask, with the key under which its answer is kept.
import { infiniteQueryOptions, keepPreviousData, queryOptions } from '@tanstack/react-query';
import { api, keepCsrf, withQuery } from './client';
import type {
  Assignment,
  AuditEntry,
  Check,
  Device,
  DeviceDetail,
  HistoryEntry,
  Overview,
  Page,
  Profile,
  ProfileDetail,
  Resource,
  Revision,
  RevisionDiff,
  Session,
  Table,
  Token,
} from './types';

/** What a list of devices is narrowed to; the same words as in the page's address. */
export interface DeviceFilter {
  q?: string;
  label?: string;
  profile?: string;
  state?: string;
  compliance?: string;
  /** Only those that assignments and pauses reach: neither lost nor revoked. */
  reached?: boolean;
  sort?: string;
}

/** The first page is small, to be seen soon; those after it are asked for by who scrolls far. */
const PAGE = 100;
const NEXT_PAGE = 500;
const part = encodeURIComponent;

export const sessionQuery = queryOptions({
  queryKey: ['session'],
  queryFn: async () => keepCsrf(await api.get<Session>('/session')),
  staleTime: 5 * 60_000,
});

export const overviewQuery = queryOptions({
  queryKey: ['overview'],
  queryFn: () => api.get<Overview>('/overview'),
});

export const devicesQuery = (filter: DeviceFilter) =>
  infiniteQueryOptions({
    queryKey: ['devices', filter],
    queryFn: ({ pageParam }) =>
      api.get<Page<Device>>(
        withQuery('/devices', { ...filter, cursor: pageParam, limit: pageParam ? NEXT_PAGE : PAGE }),
      ),
    initialPageParam: '',
    getNextPageParam: (page) => page.next || undefined,
    placeholderData: keepPreviousData,
  });

export const deviceQuery = (id: string) =>
  queryOptions({
    queryKey: ['device', id],
    queryFn: () => api.get<DeviceDetail>(`/devices/${part(id)}`),
  });

export const resourcesQuery = (id: string) =>
  queryOptions({
    queryKey: ['device', id, 'resources'],
    queryFn: () => api.get<Resource[]>(`/devices/${part(id)}/resources`),
  });

export const checksQuery = (id: string) =>
  queryOptions({
    queryKey: ['device', id, 'checks'],
    queryFn: () => api.get<Check[]>(`/devices/${part(id)}/checks`),
  });

export const tableQuery = (id: string, table: string) =>
  queryOptions({
    queryKey: ['device', id, 'tables', table],
    queryFn: () => api.get<Table>(`/devices/${part(id)}/tables/${part(table)}`),
  });

export const historyQuery = (id: string) =>
  infiniteQueryOptions({
    queryKey: ['device', id, 'history'],
    queryFn: ({ pageParam }) =>
      api.get<Page<HistoryEntry>>(withQuery(`/devices/${part(id)}/history`, { cursor: pageParam })),
    initialPageParam: '',
    getNextPageParam: (page) => page.next || undefined,
  });

export const profilesQuery = queryOptions({
  queryKey: ['profiles'],
  queryFn: () => api.get<Profile[]>('/profiles'),
});

export const profileQuery = (name: string) =>
  queryOptions({
    queryKey: ['profile', name],
    queryFn: () => api.get<ProfileDetail>(`/profiles/${part(name)}`),
  });

export const revisionQuery = (name: string, number: number) =>
  queryOptions({
    queryKey: ['revision', name, number],
    queryFn: () => api.get<Revision>(`/profiles/${part(name)}/revisions/${number}`),
    staleTime: Number.POSITIVE_INFINITY,
  });

export const diffQuery = (name: string, from: number, to: number) =>
  queryOptions({
    queryKey: ['revision', name, from, to],
    queryFn: () => api.get<RevisionDiff>(withQuery(`/profiles/${part(name)}/diff`, { from, to })),
    staleTime: Number.POSITIVE_INFINITY,
  });

export const assignmentsQuery = queryOptions({
  queryKey: ['assignments'],
  queryFn: () => api.get<Assignment[]>('/assignments'),
});

export const tokensQuery = queryOptions({
  queryKey: ['tokens'],
  queryFn: () => api.get<Token[]>('/tokens'),
});

/** What the audit is narrowed to; the same words as in the page's address. */
export interface AuditFilter {
  actor?: string;
  action?: string;
  target?: string;
  /** RFC 3339, in UTC. */
  since?: string;
  until?: string;
}

export const auditQuery = (filter: AuditFilter) =>
  infiniteQueryOptions({
    queryKey: ['audit', filter],
    queryFn: ({ pageParam }) =>
      api.get<Page<AuditEntry>>(withQuery('/audit', { ...filter, cursor: pageParam, limit: PAGE })),
    initialPageParam: '',
    getNextPageParam: (page) => page.next || undefined,
    placeholderData: keepPreviousData,
  });
