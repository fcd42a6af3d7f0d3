// What the parts of the settings page share: a secret that is shown once, and a form that asks before it ends something.
import { Button } from '@mantine/core';
import type { ReactNode } from 'react';
import { CopyButton, Note, ProblemNote } from '../../components/parts';

/** A secret, to be copied before it is gone. */
export function Once({ text, label, onDone, children }: OnceProps) {
  return (
    <div className="form">
      {children}
      <div className="diff">
        <pre style={{ margin: 0, padding: 12, overflowX: 'auto' }} tabIndex={0}>
          {text}
        </pre>
      </div>
      <Note tone="act">It is shown once.</Note>
      <div className="actions">
        <CopyButton text={text} label={label} />
        <Button onClick={onDone}>Done</Button>
      </div>
    </div>
  );
}

interface OnceProps {
  text: string;
  label: string;
  onDone: () => void;
  children?: ReactNode;
}

/** Says what will end, and asks. */
export function Confirm({ verb, error, isPending, onConfirm, onCancel, children }: ConfirmProps) {
  return (
    <div className="form">
      {children}
      <ProblemNote error={error} />
      <div className="actions">
        <Button color="red" loading={isPending} onClick={onConfirm}>
          {verb}
        </Button>
        <Button variant="default" onClick={onCancel}>
          Cancel
        </Button>
      </div>
    </div>
  );
}

interface ConfirmProps {
  verb: string;
  error: unknown;
  isPending: boolean;
  onConfirm: () => void;
  onCancel: () => void;
  children: ReactNode;
}
