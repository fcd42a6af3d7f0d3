// The rows that show a failure, as the device reported them.
import { shown, visible } from './visible';

export function Evidence({ rows }: { rows: Record<string, unknown>[] }) {
  if (rows.length === 0) return <p className="dim">The question found no row, and needs one to pass.</p>;
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return (
    <div className="scroll-x">
      <table className="pairs">
        <caption className="hidden-visually">Rows that show the failure</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column} scope="col">
                {visible(column)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={JSON.stringify(row)}>
              {columns.map((column) => (
                <td key={column} className="mono">
                  {shown(row[column])}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
