// Ends the pause that keeps a device as it is; one of a label or of everyone is ended for all of them, and says so.
import { Button, Modal } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api/client';
import type { Pause, Resumed } from '../../api/types';
import { ProblemNote } from '../../components/parts';
import { counted, visible } from '../../components/visible';

export function ResumeButton({ pause }: { pause: Pause }) {
  const client = useQueryClient();
  const [isAsking, setAsking] = useState(false);
  const resume = useMutation({
    mutationFn: () => api.delete<Resumed>(`/pauses/${encodeURIComponent(pause.target)}`),
    onSuccess: async () => {
      await client.invalidateQueries();
      setAsking(false);
    },
  });
  return (
    <>
      <Button variant="default" size="xs" onClick={() => setAsking(true)}>
        Resume
      </Button>
      <Modal opened={isAsking} onClose={() => setAsking(false)} title={`Resume ${visible(pause.target)}`}>
        <div className="form">
          <p>
            {counted(pause.devices, 'device')} of <strong>{visible(pause.target)}</strong> get at once what waits for
            them.
          </p>
          <ProblemNote error={resume.error} />
          <div className="actions">
            <Button loading={resume.isPending} onClick={() => resume.mutate()}>
              Resume {counted(pause.devices, 'device')}
            </Button>
            <Button variant="default" onClick={() => setAsking(false)}>
              Cancel
            </Button>
          </div>
        </div>
      </Modal>
    </>
  );
}
