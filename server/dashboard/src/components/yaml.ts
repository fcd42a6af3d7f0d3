// Just enough of YAML to colour it: comments, keys, quoted texts, numbers and words. Never used to read a profile.

export type TokenKind = 'comment' | 'key' | 'text' | 'literal' | 'plain';

/** A stretch of one line. */
export interface Token {
  kind: TokenKind;
  text: string;
}

const PIECE =
  /(?<comment>(?:^|(?<=\s))#.*$)|(?<text>"(?:[^"\\]|\\.)*"|'(?:[^']|'')*')|(?<key>[A-Za-z_][\w.-]*(?=\s*:(?:\s|$)))|(?<literal>(?<![\w.:/-])(?:true|false|null|\d+(?:\.\d+)?)(?=\s*(?:[,}\]]|$)))/g;

/** Splits one line; the pieces joined are the line. */
export function tokens(line: string): Token[] {
  const found: Token[] = [];
  let end = 0;
  for (const match of line.matchAll(PIECE)) {
    if (match.index > end) found.push({ kind: 'plain', text: line.slice(end, match.index) });
    const kind = Object.entries(match.groups ?? {}).find(([, text]) => text !== undefined)?.[0] as TokenKind;
    found.push({ kind, text: match[0] });
    end = match.index + match[0].length;
  }
  if (end < line.length) found.push({ kind: 'plain', text: line.slice(end) });
  return found;
}

/** Where a place of line and column, both from 1, is in the whole text. */
export function offsetOf(text: string, line: number, column: number): number {
  const lines = text.split('\n');
  const before = lines.slice(0, Math.max(0, line - 1)).reduce((sum, each) => sum + each.length + 1, 0);
  return Math.min(text.length, before + Math.max(0, column - 1));
}
