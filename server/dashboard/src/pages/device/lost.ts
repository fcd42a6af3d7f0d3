// Reporting a device lost, as a command line.
import { quoted } from '../../components/quoted';
import { visible } from '../../components/visible';

export function lostCommand(device: string, reason: string): string {
  const words = ['muster device lost', quoted(visible(device))];
  if (reason.trim()) words.push('--reason', quoted(visible(reason.trim())));
  return words.join(' ');
}
