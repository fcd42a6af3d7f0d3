// How many rows say what, above a table.
import { Badge } from '../../components/Badge';
import { tally } from '../../components/groups';
import { counted } from '../../components/visible';

export function Tally({ words, what }: { words: string[]; what: string }) {
  return (
    <div className="bar">
      {tally(words, (word) => word).map(([word, count]) => (
        <span key={word} className="tally">
          {count} <Badge word={word} />
        </span>
      ))}
      <span className="count">
        {counted(words.length, what)}
      </span>
    </div>
  );
}
