// What happened on the device, by its own clock, the newest first.
import { Button } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { historyQuery } from '../../api/queries';
import type { HistoryEntry } from '../../api/types';
import { UnifiedDiff } from '../../components/Diff';
import { byDay } from '../../components/groups';
import { Empty, ProblemNote } from '../../components/parts';
import { Time } from '../../components/Time';
import { shown, visible } from '../../components/visible';

export function HistoryTab({ id }: { id: string }) {
  const list = useInfiniteQuery(historyQuery(id));
  const entries = useMemo(() => list.data?.pages.flatMap((page) => page.items), [list.data]);
  if (list.error && !entries) return <ProblemNote error={list.error} />;
  if (!entries) return <span className="bone" />;
  if (entries.length === 0) {
    return (
      <Empty
        title="Nothing has happened yet"
        why="Accepted states, changes and failures are recorded here, each once."
        next="sudo muster-agent status"
      />
    );
  }
  return (
    <>
      {byDay(entries).map((group) => (
        <section key={group.day} className="history">
          <h3>{group.day}</h3>
          <ol className="history">
            {group.entries.map((entry, i) => (
              // Two things may happen at one time.
              <Entry key={`${entry.at} ${i}`} entry={entry} />
            ))}
          </ol>
        </section>
      ))}
      {list.hasNextPage && (
        <Button
          variant="default"
          size="xs"
          mt="md"
          loading={list.isFetchingNextPage}
          onClick={() => list.fetchNextPage()}
        >
          Show earlier
        </Button>
      )}
    </>
  );
}

/** How late a record may come before the page says so. */
const LATE_MS = 5 * 60_000;

function Entry({ entry }: { entry: HistoryEntry }) {
  const isLate = Date.parse(entry.recorded) - Date.parse(entry.at) > LATE_MS;
  const isBad = ['failed', 'blocked', 'refused'].includes(entry.event);
  return (
    <li>
      <span className={isBad ? undefined : 'dim'} style={isBad ? { color: 'var(--bad)' } : undefined}>
        {visible(entry.event.replaceAll('_', ' '))}
      </span>
      <Time at={entry.at} side="start" />
      <div className="what">
        {visible(said(entry))}
        {entry.differences
          .filter((difference) => difference.attribute !== 'state')
          .map((difference) => (
            <span key={difference.attribute} className="dim">
              {' '}
              · {difference.attribute} <code>{clip(shown(difference.from))}</code> →{' '}
              <code>{clip(shown(difference.to))}</code>
            </span>
          ))}
        {isLate && (
          <span className="dim">
            {' '}
            · told <Time at={entry.recorded} />
          </span>
        )}
        {entry.differences.map(
          (difference) =>
            difference.diff && (
              <details key={difference.attribute}>
                <summary className="dim">What changed in it</summary>
                <UnifiedDiff unified={difference.diff} />
              </details>
            ),
        )}
      </div>
    </li>
  );
}

/** What is said of it, without the word that stands before it already. */
function said({ event, text }: HistoryEntry): string {
  return text.startsWith(`${event}: `) ? text.slice(event.length + 2) : text;
}

function clip(text: string): string {
  return text.length > 40 ? `${text.slice(0, 39)}…` : text;
}
