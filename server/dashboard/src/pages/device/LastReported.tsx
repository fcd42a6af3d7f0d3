// What a lost or revoked device last reported is kept as proof, and says nothing of how it is now.
import type { Device } from '../../api/types';
import { Time } from '../../components/Time';
import { isOut, look } from '../../components/words';

export function LastReported({ device }: { device: Device }) {
  if (!isOut(device)) return null;
  return (
    <p className="dim">
      {look(device.state).label}: as last reported <Time at={device.last_seen} side="start" none="never" />.
    </p>
  );
}

export function NeverReported({ what }: { what: string }) {
  return <p className="dim">It reported no {what} before its certificates were revoked.</p>;
}
