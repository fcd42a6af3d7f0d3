// What a pause's target means as a filter of devices, and the same pause as a command.
import type { DeviceFilter } from '../../api/queries';
import type { NewPause } from '../../api/types';

/** The devices that a target means; `device` for one alone, nothing for what is no target yet. */
export function filterOf(target: string): DeviceFilter | 'device' | undefined {
  const [kind, name = ''] = target.split(/:(.*)/s);
  if (target === 'everyone') return { reached: true };
  if (!name) return undefined;
  if (kind === 'label') return { label: name, reached: true };
  if (kind === 'profile') return { profile: name };
  return kind === 'device' ? 'device' : undefined;
}

/** The same pause as a command line. */
export function pauseCommand({ target, seconds, reason }: NewPause): string {
  const words = ['muster pause', target || 'label:…'];
  if (seconds) words.push(`--for ${spanOf(seconds)}`);
  if (reason) words.push(`--reason '${reason.replaceAll("'", "'\\''")}'`);
  return words.join(' ');
}

function spanOf(seconds: number): string {
  if (seconds % 86_400 === 0) return `${seconds / 86_400}d`;
  return seconds % 3_600 === 0 ? `${seconds / 3_600}h` : `${seconds}s`;
}
