// The terms of a rollout: how many devices come first, how many have it after each further step, and how long all has to be
// well in between.
import { counted } from '../../components/visible';

export interface Terms {
  /** A number of devices or a share of them, such as `5%`. */
  canary: string;
  /** Further sizes before the last step, as they are typed: `10%, 50%`. */
  further: string;
  /** Seconds. */
  soak: number;
}

export const USUAL: Terms = { canary: '1', further: '10%', soak: 600 };

/** The sizes of all steps before the last. */
export function sizesOf({ canary, further }: Terms): string[] {
  return [canary, ...further.split(/[\s,]+/)].filter(Boolean);
}

/** What is wrong with a size, before the server is asked. */
export function sizeProblem(size: string): string | undefined {
  const [, number, percent] = /^(\d+)(%?)$/.exec(size) ?? [];
  const value = Number(number);
  if (number === undefined || value === 0) return `${size}: give a number of devices, or a share such as 5%`;
  return percent && value > 100 ? `${size} is more than all` : undefined;
}

/** The same terms in the words of the command line. */
export function termWords(terms: Terms): string {
  const [canary = '', ...further] = sizesOf(terms);
  const then = further.map((size) => `--then ${size}`);
  return ['--rollout', `--canary ${canary}`, ...then, `--soak ${soakOf(terms.soak)}`].join(' ');
}

function soakOf(seconds: number): string {
  if (seconds % 3_600 === 0 && seconds > 0) return `${seconds / 3_600}h`;
  return seconds % 60 === 0 && seconds > 0 ? `${seconds / 60}m` : `${seconds}s`;
}

/** Which devices have it first: `the first 3 of 48 devices`; all of them when there are no more. */
export function firstWords({ canary }: Terms, devices: number): string {
  const share = canary.endsWith('%') ? Math.ceil((devices * Number.parseInt(canary, 10)) / 100) : Number(canary);
  const first = Math.min(Math.max(share, 1), devices);
  if (first === devices) return counted(devices, 'device');
  return `the first ${first === 1 ? '' : `${first} `}of ${devices} devices`;
}
