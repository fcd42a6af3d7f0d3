// Registering devices from a file: what it would do is said first, and then it is done as a whole or not at all.
import { Button, Textarea } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { type ChangeEvent, type FormEvent, useState } from 'react';
import { api } from '../../api/client';
import type { Import } from '../../api/types';
import { useChange } from '../../api/useChange';
import { FormEnd } from '../../components/FormEnd';
import { Command, Note } from '../../components/parts';
import { counted, visible } from '../../components/visible';
import { fieldWords, importWords, isEmpty, removalWords } from './importing';

const EXAMPLE = 'serial,name,owner,labels\nPF3ABC12,lap-ada,ada,laptop\nSRV-0001,srv-web1,,server;web';

function send(csv: string, isTrial: boolean): Promise<Import> {
  return api.postText<Import>(`/devices/import${isTrial ? '?dry_run=true' : ''}`, csv, 'text/csv');
}

export function ImportDevices({ onDone }: { onDone: () => void }) {
  const [csv, setCsv] = useState('');
  const trial = useMutation({ mutationFn: (text: string) => send(text, true), gcTime: 0 });
  const run = useChange((text: string) => send(text, false));
  const change = (text: string) => {
    setCsv(text);
    trial.reset();
    run.reset();
  };
  const read = async (event: ChangeEvent<HTMLInputElement>) => {
    const file = event.currentTarget.files?.[0];
    if (!file) return;
    const text = await file.text();
    change(text);
    trial.mutate(text);
  };
  if (run.data && run.data.errors?.length === 0) return <Imported result={run.data} onDone={onDone} />;
  const plan = run.data ?? trial.data;
  const isReady = plan !== undefined && !plan.errors?.length && !isEmpty(plan);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (isReady) run.mutate(csv);
    else trial.mutate(csv);
  };
  return (
    <form className="form" onSubmit={submit}>
      <p className="dim">
        The first row names the columns: serial, name, owner, labels (split by ;), or those of Autopilot. A serial that
        is registered already is changed.
      </p>
      <label className="file">
        <span>File</span>
        <input type="file" accept=".csv,text/csv" onChange={read} data-autofocus />
      </label>
      <Textarea
        label="Or its text"
        placeholder={EXAMPLE}
        autosize
        minRows={5}
        maxRows={12}
        spellCheck={false}
        classNames={{ input: 'mono' }}
        value={csv}
        onChange={(e) => change(e.currentTarget.value)}
      />
      {plan && <Plan plan={plan} />}
      <Command line={isReady ? 'muster device import devices.csv' : 'muster device import devices.csv --dry-run'} />
      <FormEnd
        verb={isReady ? `Import ${counted(plan.new + plan.changed, 'device')}` : 'Preview'}
        error={trial.error ?? run.error}
        isPending={trial.isPending || run.isPending}
        isDisabled={csv.trim() === ''}
        onCancel={onDone}
      />
    </form>
  );
}

/** What the file would do, or everything that is wrong with it. */
function Plan({ plan }: { plan: Import }) {
  const { errors = [], changes = [], removal } = plan;
  if (errors.length > 0) {
    return (
      <div className="note" role="alert">
        <div>
          Nothing is imported: {counted(errors.length, 'thing')} {errors.length === 1 ? 'is' : 'are'} wrong.
          <ul>
            {errors.map((error) => (
              <li key={`${error.line}:${error.column}:${error.message}`}>
                {error.line > 0 && `Line ${error.line}: `}
                {visible(error.message)}
              </li>
            ))}
          </ul>
        </div>
      </div>
    );
  }
  return (
    <Note tone={removal ? 'act' : 'good'}>
      {importWords(plan)}
      {removal && <p>{removalWords(removal)}</p>}
      {changes.length > 0 && (
        <ul className="changes" tabIndex={0} aria-label="What changes">
          {changes.map((change) => (
            <li key={change.serial}>
              <strong>{visible(change.name)}</strong> {change.new ? 'is new' : 'changes'}
              {fieldWords(change)}
            </li>
          ))}
        </ul>
      )}
    </Note>
  );
}

function Imported({ result, onDone }: { result: Import; onDone: () => void }) {
  return (
    <div className="form">
      <Note tone={result.removal ? 'act' : 'good'}>
        Imported: {importWords(result)}
        {result.removal && <p>{removalWords(result.removal)}</p>}
      </Note>
      <div className="actions">
        <Button onClick={onDone} data-autofocus>
          Done
        </Button>
      </div>
    </div>
  );
}
