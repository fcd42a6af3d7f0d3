// Names of devices in a sentence: the first few, and how many more.
import { visible } from './visible';

const NAMED = 12;

export function Names({ names, count = names.length }: { names: string[]; count?: number }) {
  const first = names.slice(0, NAMED);
  const more = count - first.length;
  return (
    <span>
      {first.map(visible).join(', ')}
      {more > 0 && ` and ${more.toLocaleString('en')} more`}
    </span>
  );
}
