// What a change of people and groups came to, as a sentence.
import { counted } from '../../components/visible';

/** How many devices got a newer state by it. */
export function gotWords(devices: number): string {
  return devices === 0 ? 'No device gets another state by it.' : `${counted(devices, 'device')} got a newer state.`;
}

/** The keys of a field with one a line. */
export function linesOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}
