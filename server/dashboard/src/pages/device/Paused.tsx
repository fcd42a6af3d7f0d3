// What keeps a device as it is: said also where nothing waits, so that nobody wonders why a change does not arrive.
import type { DevicePause } from '../../api/types';
import { Note } from '../../components/parts';
import { Time } from '../../components/Time';
import { visible } from '../../components/visible';

export function Paused({ paused }: { paused: DevicePause }) {
  const { pause, waiting } = paused;
  return (
    <Note tone="act">
      Paused since <Time at={pause.since} /> by {visible(pause.by)} ({visible(pause.target)}
      {pause.reason && <>, “{visible(pause.reason)}”</>})
      {pause.until && (
        <>
          {' '}
          until <Time at={pause.until} />
        </>
      )}
      , {waitingWords(waiting.length)}
      {waiting.length > 0 && `: ${waiting.map(visible).join(', ')}`}.
    </Note>
  );
}

function waitingWords(count: number): string {
  if (count === 0) return 'nothing waits';
  return count === 1 ? '1 change waits' : `${count} changes wait`;
}
