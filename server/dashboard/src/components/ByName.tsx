// An action that ends something, confirmed by typing the name of what it ends.
import { Button, TextInput } from '@mantine/core';
import { type FormEvent, type ReactNode, useState } from 'react';
import { ProblemNote } from './parts';
import { visible } from './visible';

interface Props {
  /** What has to be typed. */
  name: string;
  verb: string;
  error: unknown;
  isPending: boolean;
  onConfirm: () => void;
  onCancel: () => void;
  /** What ends, named and counted. */
  children: ReactNode;
}

export function ByName({ name, verb, error, isPending, onConfirm, onCancel, children }: Props) {
  const [typed, setTyped] = useState('');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (typed.trim() === name) onConfirm();
  };
  return (
    <form className="form" onSubmit={submit}>
      {children}
      <TextInput
        label={`Type ${visible(name)} to confirm`}
        autoCapitalize="none"
        autoComplete="off"
        value={typed}
        onChange={(e) => setTyped(e.currentTarget.value)}
      />
      <ProblemNote error={error} />
      <div className="actions">
        <Button type="submit" color="red" disabled={typed.trim() !== name} loading={isPending}>
          {verb}
        </Button>
        <Button variant="default" onClick={onCancel}>
          Cancel
        </Button>
      </div>
    </form>
  );
}
