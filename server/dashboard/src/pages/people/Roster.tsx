// A list of people or of groups, whose rows open, with a way to add to it.
import type { UseQueryResult } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { type Column, DataTable } from '../../components/DataTable';
import { DialogButton } from '../../components/DialogButton';
import { ProblemNote } from '../../components/parts';

interface Props<T> {
  label: string;
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

export function Roster<T>({ list: { data, error }, add, form, ...table }: Props<T>) {
  if (error && !data) return <ProblemNote error={error} />;
  return (
    <>
      <div className="bar">
        <DialogButton label={add} title={add}>
          {form}
        </DialogButton>
      </div>
      <DataTable rows={data} {...table} />
    </>
  );
}
