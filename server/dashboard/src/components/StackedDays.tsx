// How the fleet stood over the last thirty days.
import './StackedDays.css';
import type { Day } from '../api/types';
import { type Column, columns, STACK, scaleTop } from './days';
import { useNow } from './Time';
import { look } from './words';

export function StackedDays({ days }: { days: Day[] }) {
  const shown = columns(days, useNow());
  const top = scaleTop(days);
  const known = days.filter((day) => day.counts.total > 0).length;
  const words = STACK.filter((word) => days.some((day) => day.counts[word] > 0));
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
            <div key={column.date} className="day" data-gap={!column.counts} data-tip={tip(column)}>
              {column.counts &&
                STACK.map((word) => (
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
            <caption>Devices by compliance, a row a day</caption>
            <thead>
              <tr>
                <th scope="col">Day</th>
                {STACK.map((word) => (
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
                  {STACK.map((word) => (
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

function tip({ date, counts }: Column): string {
  if (!counts) return `${date}\nno data`;
  const others = STACK.slice(1)
    .filter((word) => counts[word] > 0)
    .map((word) => `${counts[word]} ${word}`);
  return [date, `${counts.compliant} of ${counts.total} compliant`, ...others].join('\n');
}
