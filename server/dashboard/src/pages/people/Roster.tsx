// A list of people or of groups, narrowed by what is typed, whose rows open, with a way to add to it.
import type { UseQueryResult } from '@tanstack/react-query';
import { type ReactNode, useMemo } from 'react';
import { type Column, DataTable } from '../../components/DataTable';
import { DialogButton } from '../../components/DialogButton';
import { ProblemNote } from '../../components/parts';
import { SearchBox } from '../../components/SearchBox';
import { holds } from './narrow';

/** What the list is narrowed to, and how to say so. */
export interface Narrowing {
  q: string;
  onNarrow: (text: string) => void;
}

interface Props<T> extends Narrowing {
  label: string;
  /** What one row is called. */
  thing: [one: string, many: string];
  /** What is searched, such as "name or user name". */
  hint: string;
  textsOf: (row: T) => (string | null | undefined)[];
  list: Pick<UseQueryResult<T[]>, 'data' | 'error'>;
  columns: Column<T>[];
  keyOf: (row: T) => string;
  detail: (row: T) => ReactNode;
  empty: ReactNode;
  /** What the button says. */
  add: string;
  /** The form that it opens; it is given what closes it. */
  form: (close: () => void) => ReactNode;
}

export function Roster<T>(props: Props<T>) {
  const { list, q, onNarrow, thing, hint, textsOf, add, form, empty, ...table } = props;
  const { data, error } = list;
  const rows = useMemo(() => data?.filter((row) => holds(textsOf(row), q)), [data, textsOf, q]);
  if (error && !data) return <ProblemNote error={error} />;
  const [one, many] = thing;
  return (
    <>
      <search className="bar">
        <SearchBox label={`Search ${many} by ${hint}`} hint={sentenceCase(hint)} text={q} onChange={onNarrow} />
        <span className="count" role="status">
          {rows && `${rows.length.toLocaleString('en')} ${rows.length === 1 ? one : many}`}
        </span>
        <DialogButton label={add} title={add}>
          {form}
        </DialogButton>
      </search>
      <DataTable
        rows={rows}
        asked={q}
        empty={q && data?.length ? <p className="dim">No {one} is like that.</p> : empty}
        {...table}
      />
    </>
  );
}

function sentenceCase(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
