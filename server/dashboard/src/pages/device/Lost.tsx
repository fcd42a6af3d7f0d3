// A device that was reported lost: how far its last order has come, and what it held then.
import type { Device, LostView } from '../../api/types';
import { Note } from '../../components/parts';
import { Time } from '../../components/Time';
import { useMayChange } from '../../components/useMayChange';
import { visible, who } from '../../components/visible';
import { FoundButton } from './FoundButton';
import { heldLines } from './held';

export function Lost({ device, lost }: { device: Device; lost: LostView }) {
  const mayChange = useMayChange();
  return (
    <Note tone="act">
      Reported lost <Time at={lost.since} /> by {who(lost.by)}
      {lost.reason && <>: “{visible(lost.reason)}”</>}. <Order lost={lost} />
      <ul>
        {heldLines(lost).map((line) => (
          <li key={line}>{visible(line)}</li>
        ))}
      </ul>
      {mayChange && !lost.received && <FoundButton device={device} wasGiven={Boolean(lost.given)} />}
    </Note>
  );
}

function Order({ lost }: { lost: LostView }) {
  if (lost.received) {
    return (
      <>
        It carried its last order out, receipt of <Time at={lost.received} />.
      </>
    );
  }
  if (lost.given) {
    return (
      <>
        Its last order was given <Time at={lost.given} />, and no receipt has come.
      </>
    );
  }
  return <>Its last order waits for its next contact.</>;
}
