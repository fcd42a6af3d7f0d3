// Whether an assignment reaches its devices all at once or step by step, and on which terms.
import { NativeSelect, Switch, TextInput } from '@mantine/core';
import { sizeProblem, sizesOf, type Terms, USUAL } from './terms';

const SOAKS = [
  { value: '0', label: 'no time at all' },
  { value: '600', label: '10 minutes' },
  { value: '1800', label: '30 minutes' },
  { value: '3600', label: '1 hour' },
  { value: '14400', label: '4 hours' },
  { value: '86400', label: '24 hours' },
];

interface Props {
  terms?: Terms;
  onChange: (terms: Terms | undefined) => void;
}

export function StepByStep({ terms, onChange }: Props) {
  return (
    <>
      <Switch
        label="Step by step"
        description="A few devices first, then more, then all; it stops at the first failure."
        checked={terms !== undefined}
        onChange={(e) => onChange(e.currentTarget.checked ? USUAL : undefined)}
      />
      {terms && <Fields terms={terms} onChange={onChange} />}
    </>
  );
}

function Fields({ terms, onChange }: { terms: Terms; onChange: (terms: Terms) => void }) {
  const further = sizesOf({ ...terms, canary: '' });
  return (
    <>
      <TextInput
        label="First"
        description="Devices, as a number or a share such as 5%"
        required
        withAsterisk={false}
        autoComplete="off"
        error={terms.canary && sizeProblem(terms.canary)}
        value={terms.canary}
        onChange={(e) => onChange({ ...terms, canary: e.currentTarget.value.trim() })}
      />
      <TextInput
        label="Then"
        description="How many have it after each further step, such as 10%, 50%; all others come last"
        required
        withAsterisk={false}
        autoComplete="off"
        error={further.map(sizeProblem).find(Boolean)}
        value={terms.further}
        onChange={(e) => onChange({ ...terms, further: e.currentTarget.value })}
      />
      <NativeSelect
        label="All well for"
        description="before the next step begins"
        data={SOAKS}
        value={String(terms.soak)}
        onChange={(e) => onChange({ ...terms, soak: Number(e.currentTarget.value) })}
      />
    </>
  );
}
