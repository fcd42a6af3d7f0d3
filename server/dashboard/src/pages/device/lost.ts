// Reporting a device lost, as a command line.
import { visible } from '../../components/visible';

export function lostCommand(device: string, reason: string): string {
  const words = ['muster device lost', visible(device)];
  if (reason.trim()) words.push(`--reason '${visible(reason.trim()).replaceAll("'", "'\\''")}'`);
  return words.join(' ');
}
