// Ending a waiver before its time.
import { Button } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import type { FormEvent } from 'react';
import { api } from '../../api/client';
import type { Waiver } from '../../api/types';
import { ProblemNote } from '../../components/parts';
import { useTyped } from '../../components/Typed';
import { counted, visible } from '../../components/visible';

interface Props {
  waiver: Waiver;
  onDone: () => void;
  onSaid: (said: string) => void;
}

export function EndForm({ waiver, onDone, onSaid }: Props) {
  const client = useQueryClient();
  const typed = useTyped(waiver.devices);
  const check = visible(waiver.check);
  const end = useMutation({
    mutationFn: () => api.delete<Waiver>(`/waivers/${encodeURIComponent(waiver.id)}`),
    onSuccess: async () => {
      onSaid(`${check} is no longer waived for ${visible(waiver.target)}.`);
      await client.invalidateQueries();
      onDone();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (typed.isConfirmed) end.mutate();
  };
  return (
    <form className="form" onSubmit={submit}>
      <p>
        <strong>{check}</strong> for <strong>{visible(waiver.target)}</strong>:{' '}
        {waiver.devices === 0
          ? 'it covers no failure now, and will cover none that comes.'
          : `${counted(waiver.devices, 'failure')} that it covers ${waiver.devices === 1 ? 'counts' : 'count'} again at once, unless another waiver covers ${waiver.devices === 1 ? 'it' : 'them'} too.`}{' '}
        The record of it stays.
      </p>
      {typed.field}
      <ProblemNote error={end.error} />
      <div className="actions">
        <Button type="submit" color="red" disabled={!typed.isConfirmed} loading={end.isPending}>
          End for {visible(waiver.target)}
        </Button>
        <Button variant="default" onClick={onDone}>
          Cancel
        </Button>
      </div>
    </form>
  );
}
