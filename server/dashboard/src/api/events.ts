// Live pages: the server says what changed, and the queries that show it are asked again.
import type { Query, QueryClient, QueryKey } from '@tanstack/react-query';
import { useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { contact } from './contact';
import type { ChangeNotice, DeviceDetail } from './types';

/** Notices that come close together are answered by one round of questions. */
const GATHER_MS = 200;
/** A list scrolled far down is asked page by page again; while devices report all the time, not more often than this. */
const LONG_MS = 10_000;
const LONG_PAGES = 3;
/** Notices that are kept for later: a list is touched by any one of them. */
const KEPT = 20;
const REOPEN_MS = 3000;

const SHOWN_BY: Record<string, string[]> = {
  device: [
    'overview',
    'devices',
    'profiles',
    'profile',
    'checks',
    'check',
    'control',
    'results',
    'outcomes',
    'pauses',
    'waivers',
    // What devices report is what passes or fails a step.
    'rollouts',
    'rollout',
  ],
  // What a revision names is needed as long as it matters.
  profile: ['profiles', 'profile', 'artifacts'],
  assignment: ['artifacts', 'assignments', 'overview', 'devices', 'device', 'profiles', 'profile', 'checks', 'check'],
  // A step that begins or is taken back gives its devices another revision.
  rollout: ['rollouts', 'rollout', 'artifacts', 'assignments', 'overview', 'devices', 'device', 'profiles', 'profile', 'checks', 'check'],
  token: ['tokens'],
  // Whatever has no notice of its own is audited all the same.
  audit: ['audit', 'artifacts', 'pauses', 'removals', 'people', 'person', 'groups', 'waivers', 'checks', 'check', 'control', 'results'],
};

/** Whether the answer kept under `key` may have changed by any of these notices. */
export function isTouched(
  key: QueryKey,
  notices: ChangeNotice[],
  idOf: (shownAs: string) => string | undefined,
) {
  const [first, second] = key as [string, unknown];
  return notices.some((notice) => {
    if (first === 'session' || first === 'revision') return false;
    const topics = SHOWN_BY[notice.topic];
    if (!topics || topics.includes(first)) return true;
    if (notice.topic !== 'device' || first !== 'device') return false;
    const id = idOf(String(second));
    return !notice.id || !id || id === notice.id;
  });
}

/** Asks what the notices touch; says whether something has to be asked later. */
function ask(client: QueryClient, notices: ChangeNotice[]): boolean {
  const idOf = (shownAs: string) => client.getQueryData<DeviceDetail>(['device', shownAs])?.device.id;
  let isLater = false;
  client.invalidateQueries({
    predicate: (query) => {
      if (!isTouched(query.queryKey, notices, idOf)) return false;
      const rests = isResting(query);
      isLater ||= rests;
      return !rests;
    },
  });
  return isLater;
}

/** Whether a long list was asked too lately to be asked again. */
function isResting({ state }: Query): boolean {
  const pages = (state.data as { pages?: unknown[] } | undefined)?.pages?.length ?? 0;
  return pages > LONG_PAGES && Date.now() - state.dataUpdatedAt < LONG_MS;
}

/** Follows the server's events as long as the page is shown. */
export function useLive() {
  const client = useQueryClient();
  useEffect(() => {
    let source: EventSource;
    let reopen: number | undefined;
    let gather: number | undefined;
    let later: number | undefined;
    let waiting: ChangeNotice[] = [];
    let wasLost = false;

    const onNotice = (event: MessageEvent<string>) => {
      contact.made();
      try {
        waiting.push(JSON.parse(event.data) as ChangeNotice);
      } catch {
        return;
      }
      gather ??= window.setTimeout(() => {
        gather = undefined;
        const notices = waiting;
        waiting = [];
        if (ask(client, notices)) askLater(notices);
      }, GATHER_MS);
    };
    let put: ChangeNotice[] = [];
    const askLater = (notices: ChangeNotice[]) => {
      put = [...put, ...notices].slice(-KEPT);
      later ??= window.setTimeout(() => {
        later = undefined;
        ask(client, put);
        put = [];
      }, LONG_MS);
    };
    const open = () => {
      source = new EventSource('/api/v1/events');
      source.onopen = () => {
        contact.made();
        if (wasLost) client.invalidateQueries();
        wasLost = false;
      };
      source.onmessage = onNotice;
      source.addEventListener('change', onNotice);
      source.onerror = () => {
        wasLost = true;
        // A closed source never comes back by itself. Asking who is logged in tells an ended session from a lost server.
        client.invalidateQueries({ queryKey: ['session'] });
        if (source.readyState === EventSource.CLOSED) reopen = window.setTimeout(open, REOPEN_MS);
      };
    };
    open();
    return () => {
      source.close();
      window.clearTimeout(reopen);
      window.clearTimeout(gather);
      window.clearTimeout(later);
    };
  }, [client]);
}
