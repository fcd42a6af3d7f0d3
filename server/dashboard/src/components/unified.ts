// A unified diff as rows with line numbers.

/** One row of a diff. */
export interface DiffRow {
  kind: 'add' | 'cut' | 'same' | 'hunk';
  text: string;
  from?: number;
  to?: number;
}

const HUNK = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@/;

/** Reads a unified diff; file headers are left out. */
export function parseUnified(unified: string): DiffRow[] {
  const rows: DiffRow[] = [];
  let from = 0;
  let to = 0;
  for (const line of unified.split('\n')) {
    const hunk = HUNK.exec(line);
    if (hunk) {
      from = Number(hunk[1]);
      to = Number(hunk[2]);
      rows.push({ kind: 'hunk', text: line });
    } else if (from === 0 && to === 0) {
      // Before the first hunk there are only file headers.
    } else if (line.startsWith('+')) {
      rows.push({ kind: 'add', text: line.slice(1), to: to++ });
    } else if (line.startsWith('-')) {
      rows.push({ kind: 'cut', text: line.slice(1), from: from++ });
    } else if (line.startsWith(' ')) {
      rows.push({ kind: 'same', text: line.slice(1), from: from++, to: to++ });
    }
  }
  return rows;
}
