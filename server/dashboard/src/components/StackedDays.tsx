// How the fleet stood over the last thirty days.
import './StackedDays.css';
import { type Column, columns, type DayOf, scaleTop, totalOf } from './days';
import { useNow } from './Time';
import { look } from './words';

interface Props<W extends string> {
  days: DayOf<W>[];
  /** The words from the bottom up; the first is the good one. */
  stack: readonly W[];
  /** What the numbers are of, for who hears the page. */
  caption: string;
}

export function StackedDays<W extends string>({ days, stack, caption }: Props<W>) {
  const shown = columns(days, useNow());
  const top = scaleTop(days, stack);
  const known = days.filter((day) => totalOf(day.counts, stack) > 0).length;
  const words = stack.filter((word) => days.some((day) => day.counts[word] > 0));
  return (
    <figure style={{ margin: 0 }}>
      <div className="days" aria-hidden="true">
        <div className="scale">
          <span>{top}</span>
          <span>{top % 2 === 0 ? top / 2 : ''}</span>
          <span>0</span>
        </div>
        <div className="plot">
          {shown.map((column) => (
            <div key={column.date} className="day" data-gap={!column.counts} data-tip={tip(column, stack)}>
              {column.counts &&
                stack.map((word) => (
                  <div
                    key={word}
                    className="fill"
                    data-word={word}
                    style={{ height: `${((column.counts?.[word] ?? 0) / top) * 100}%` }}
                  />
                ))}
            </div>
          ))}
        </div>
        <div className="axis">
          <span>{shown[0]?.date.slice(5)}</span>
          <span>today</span>
        </div>
      </div>
      <figcaption>
        <ul className="legend">
          {words.map((word) => (
            <li key={word}>
              <span className="fill" data-word={word} />
              {look(word).label}
            </li>
          ))}
          {known < shown.length && <li>{known} of 30 days have data; the others are gaps</li>}
        </ul>
        <div className="hidden-visually">
          <table>
            <caption>{caption}, a row a day</caption>
            <thead>
              <tr>
                <th scope="col">Day</th>
                {stack.map((word) => (
                  <th scope="col" key={word}>
                    {look(word).label}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {days.map((day) => (
                <tr key={day.date}>
                  <th scope="row">{day.date}</th>
                  {stack.map((word) => (
                    <td key={word}>{day.counts[word]}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </figcaption>
    </figure>
  );
}

function tip<W extends string>({ date, counts }: Column<W>, stack: readonly W[]): string {
  const [good, ...rest] = stack;
  if (!counts || !good) return `${date}\nno data`;
  const others = rest.filter((word) => counts[word] > 0).map((word) => `${counts[word]} ${said(word)}`);
  return [date, `${counts[good]} of ${totalOf(counts, stack)} ${said(good)}`, ...others].join('\n');
}

function said(word: string): string {
  return look(word).label.toLowerCase();
}
