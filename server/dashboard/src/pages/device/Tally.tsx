// How many rows say what, above a table.
import { Badge } from '../../components/Badge';
import { tally } from '../../components/groups';

export function Tally({ words, what }: { words: string[]; what: string }) {
  return (
    <div className="bar">
      {tally(words, (word) => word).map(([word, count]) => (
        <span key={word} className="tally">
          {count} <Badge word={word} />
        </span>
      ))}
      <span className="count">
        {words.length} {what}
      </span>
    </div>
  );
}
