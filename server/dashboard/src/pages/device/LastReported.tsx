// What a revoked device last reported is kept as proof, and says nothing of how it is now.
import type { Device } from '../../api/types';
import { Time } from '../../components/Time';

export function LastReported({ device }: { device: Device }) {
  if (device.state !== 'revoked') return null;
  return (
    <p className="dim">
      Revoked: as last reported <Time at={device.last_seen} side="start" none="never" />.
    </p>
  );
}

export function NeverReported({ what }: { what: string }) {
  return <p className="dim">It reported no {what} before it was revoked.</p>;
}
