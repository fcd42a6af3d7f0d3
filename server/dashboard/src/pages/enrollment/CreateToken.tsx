// Making a token, and what a machine is given with it: the script, the files of installers, the join file.
import { Button, NativeSelect, NumberInput, TagsInput, TextInput } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { api } from '../../api/client';
import type { CreatedToken, NewToken } from '../../api/types';
import { useChange } from '../../api/useChange';
import { FormEnd } from '../../components/FormEnd';
import { Command, CopyButton, Note } from '../../components/parts';
import { snippets, tokenCommand } from './snippets';

export function CreateToken({ onDone }: { onDone: () => void }) {
  const [asked, setAsked] = useState<NewToken>({
    labels: [],
    uses: 1,
    hours: 24,
    serial: null,
    unknown: 'pending',
  });
  const create = useChange((body: NewToken) => api.post<CreatedToken>('/tokens', body));
  const change = (part: Partial<NewToken>) => setAsked({ ...asked, ...part });
  if (create.data) return <Created created={create.data} onDone={onDone} />;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    create.mutate(asked);
  };
  return (
    <form className="form" onSubmit={submit}>
      <TextInput
        label="Only for serial"
        description="Empty for any. A device with an owner needs this, or an approval."
        autoComplete="off"
        value={asked.serial ?? ''}
        onChange={(e) => change({ serial: e.currentTarget.value.trim() || null })}
      />
      <NumberInput
        label="Uses"
        description="How many devices may enroll with it."
        min={1}
        allowDecimal={false}
        value={asked.uses ?? 1}
        onChange={(value) => change({ uses: Number(value) || 1 })}
      />
      <NumberInput
        label="Ends after (hours)"
        min={1}
        allowDecimal={false}
        value={asked.hours ?? 24}
        onChange={(value) => change({ hours: Number(value) || 24 })}
      />
      <TagsInput
        label="Labels"
        description="Devices that enroll with it get these, beside those that they are registered with."
        value={asked.labels ?? []}
        onChange={(labels) => change({ labels })}
      />
      <NativeSelect
        label="Serials that are not registered"
        data={[
          { value: 'pending', label: 'wait for approval' },
          { value: 'refuse', label: 'are refused' },
        ]}
        value={asked.unknown}
        onChange={(e) => change({ unknown: e.currentTarget.value === 'refuse' ? 'refuse' : 'pending' })}
      />
      <Command line={tokenCommand(asked)} />
      <FormEnd verb="Create token" error={create.error} isPending={create.isPending} onCancel={onDone} />
    </form>
  );
}

function Created({ created, onDone }: { created: CreatedToken; onDone: () => void }) {
  const ways = snippets(created);
  const [id, setId] = useState(ways[0].id);
  const way = ways.find((each) => each.id === id) ?? ways[0];
  return (
    <div className="form">
      <NativeSelect
        label="For"
        data={ways.map((each) => ({ value: each.id, label: each.label }))}
        value={way.id}
        onChange={(e) => setId(e.currentTarget.value)}
        data-autofocus
      />
      <p>{way.what}</p>
      <div className="diff snippet">
        <pre tabIndex={0} aria-label={way.label}>
          {way.text}
        </pre>
      </div>
      <Note tone="act">The secret in it is shown once: copy it before you close this.</Note>
      <div className="actions">
        <CopyButton text={way.text} label={`Copy ${way.name}`} isLong />
        <Button onClick={onDone}>Done</Button>
      </div>
    </div>
  );
}
