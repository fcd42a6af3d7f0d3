// What an admin can decide about a rollout that has not ended.
import { Button, Modal } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { api } from '../../api/client';
import type { Rollout, RolloutDetail } from '../../api/types';
import { Names } from '../../components/Names';
import { Command, ProblemNote } from '../../components/parts';
import { useTyped } from '../../components/Typed';
import { useMayChange } from '../../components/useMayChange';
import { counted, visible } from '../../components/visible';
import { brings, isOpen, reached, soakWords } from './course';

type Way = 'resume' | 'cancel';

export function Decide({ detail }: { detail: RolloutDetail }) {
  const [way, setWay] = useState<Way>();
  const { rollout } = detail;
  const close = () => setWay(undefined);
  if (!useMayChange() || !isOpen(rollout)) return null;
  return (
    <div className="actions">
      {rollout.state === 'stopped' && (
        <Button size="xs" onClick={() => setWay('resume')}>
          Resume
        </Button>
      )}
      <Button variant="outline" color="red" size="xs" onClick={() => setWay('cancel')}>
        Take back
      </Button>
      <Modal opened={way === 'resume'} onClose={close} title={`Resume ${brings(rollout)} to ${visible(rollout.target)}`}>
        <ResumeForm rollout={rollout} onDone={close} />
      </Modal>
      <Modal opened={way === 'cancel'} onClose={close} title={`Take ${brings(rollout)} back from ${visible(rollout.target)}`}>
        <CancelForm detail={detail} onDone={close} />
      </Modal>
    </div>
  );
}

function useDecision(rollout: Rollout, way: Way, onDone: () => void) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: () => api.post<Rollout>(`/rollouts/${encodeURIComponent(rollout.id)}/${way}`),
    onSuccess: async () => {
      await client.invalidateQueries();
      onDone();
    },
  });
}

function ResumeForm({ rollout, onDone }: { rollout: Rollout; onDone: () => void }) {
  const resume = useDecision(rollout, 'resume', onDone);
  const later = rollout.steps.filter((step) => !step.began).reduce((sum, step) => sum + step.devices, 0);
  return (
    <form
      className="form"
      onSubmit={(event) => {
        event.preventDefault();
        resume.mutate();
      }}
    >
      <p>
        Step {rollout.step} of {rollout.steps.length} soaks anew ({soakWords(rollout.soak)}). Then{' '}
        {counted(later, 'more device')} {later === 1 ? 'gets' : 'get'} {brings(rollout)}, step by step. It is refused
        while what stopped it is still so.
      </p>
      <Command line={`muster rollout resume ${rollout.id}`} />
      <ProblemNote error={resume.error} />
      <div className="actions">
        <Button type="submit" loading={resume.isPending}>
          Resume
        </Button>
        <Button variant="default" onClick={onDone}>
          Leave it stopped
        </Button>
      </div>
    </form>
  );
}

function CancelForm({ detail, onDone }: { detail: RolloutDetail; onDone: () => void }) {
  const { rollout } = detail;
  const cancel = useDecision(rollout, 'cancel', onDone);
  const { count, names } = reached(detail);
  const typed = useTyped(count);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (typed.isConfirmed) cancel.mutate();
  };
  return (
    <form className="form" onSubmit={submit}>
      <p>
        {count === 0 ? (
          <>No device has {brings(rollout)} by it. </>
        ) : (
          <>
            {counted(count, 'device')} {count === 1 ? 'goes' : 'go'} from {brings(rollout)} back to{' '}
            {rollout.replaces ?? `nothing of ${rollout.profile}`}: <Names names={names} count={count} />.{' '}
            {!rollout.replaces && `What ${brings(rollout)} made there is removed and what it changed is put back. `}
          </>
        )}
        No other device gets it.
      </p>
      <Command line={`muster rollout cancel ${rollout.id}`} />
      {typed.field}
      <ProblemNote error={cancel.error} />
      <div className="actions">
        <Button type="submit" color="red" loading={cancel.isPending} disabled={!typed.isConfirmed}>
          Take back on {counted(count, 'device')}
        </Button>
        <Button variant="default" onClick={onDone}>
          Cancel
        </Button>
      </div>
    </form>
  );
}
