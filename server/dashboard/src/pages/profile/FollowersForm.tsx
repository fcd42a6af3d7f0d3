// Asked before a save: it gives the revision to devices at once, as their assignments follow the profile.
import type { FormEvent } from 'react';
import { FormEnd } from '../../components/FormEnd';
import { TargetLink } from '../../components/parts';
import { useTyped } from '../../components/Typed';
import { counted } from '../../components/visible';
import type { Brought } from './followers';

interface Props {
  brought: Brought;
  onSave: () => void;
  onCancel: () => void;
}

export function Followers({ brought, onSave, onCancel }: Props) {
  const { revision, isNew, targets, devices } = brought;
  const typed = useTyped(devices);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (typed.isConfirmed) onSave();
  };
  return (
    <form className="form" onSubmit={submit}>
      <p>
        {isNew ? 'Saving gives' : 'Saving the same text again gives'} {revision} at once to{' '}
        {counted(devices, 'device')}, as these follow the profile:
      </p>
      <ul>
        {targets.map(({ target, devices }) => (
          <li key={target}>
            <TargetLink target={target} /> ({counted(devices, 'device')})
          </li>
        ))}
      </ul>
      <p className="dim">
        What a device would do with the text is said by “Plan on a device”. To reach a few devices first, assign
        without following, and step by step.
      </p>
      {typed.field}
      <FormEnd
        verb={`Save and give to ${counted(devices, 'device')}`}
        error={null}
        isPending={false}
        isDisabled={!typed.isConfirmed}
        onCancel={onCancel}
      />
    </form>
  );
}
