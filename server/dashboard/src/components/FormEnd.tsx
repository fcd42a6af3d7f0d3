// How every form ends: what the server objected to, the button that says what happens, and the way out.
import { Button } from '@mantine/core';
import { ProblemNote } from './parts';

interface Props {
  verb: string;
  error: unknown;
  isPending: boolean;
  /** True when it takes something away. */
  isDanger?: boolean;
  isDisabled?: boolean;
  /** What the way out is called. */
  out?: string;
  onCancel: () => void;
}

export function FormEnd({ verb, error, isPending, isDanger, isDisabled, out = 'Cancel', onCancel }: Props) {
  return (
    <>
      <ProblemNote error={error} />
      <div className="actions">
        <Button type="submit" color={isDanger ? 'red' : undefined} loading={isPending} disabled={isDisabled}>
          {verb}
        </Button>
        <Button variant="default" onClick={onCancel}>
          {out}
        </Button>
      </div>
    </>
  );
}
