// Live pages: the server says what changed, and the queries that show it are asked again.
import type { QueryClient, QueryKey } from '@tanstack/react-query';
import { useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { contact } from './contact';
import type { ChangeNotice, DeviceDetail } from './types';

/** Notices that come close together are answered by one round of questions. */
const GATHER_MS = 200;
const REOPEN_MS = 3000;

const SHOWN_BY: Record<string, string[]> = {
  device: ['overview', 'devices', 'profiles', 'profile'],
  profile: ['profiles', 'profile'],
  assignment: ['assignments', 'overview', 'devices', 'device', 'profiles', 'profile'],
  token: ['tokens'],
  audit: ['audit'],
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

function ask(client: QueryClient, notices: ChangeNotice[]) {
  const idOf = (shownAs: string) => client.getQueryData<DeviceDetail>(['device', shownAs])?.device.id;
  client.invalidateQueries({ predicate: (query) => isTouched(query.queryKey, notices, idOf) });
}

/** Follows the server's events as long as the page is shown. */
export function useLive() {
  const client = useQueryClient();
  useEffect(() => {
    let source: EventSource;
    let reopen: number | undefined;
    let gather: number | undefined;
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
        ask(client, waiting);
        waiting = [];
      }, GATHER_MS);
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
    };
  }, [client]);
}
