// Deleting an artifact that nothing needs.
import { api } from '../../api/client';
import type { Artifact } from '../../api/types';
import { useChange } from '../../api/useChange';
import { FormEnd } from '../../components/FormEnd';
import { sized } from '../../components/size';
import { visible } from '../../components/visible';

interface Props {
  artifact: Artifact;
  onDone: () => void;
  onSaid: (said: string) => void;
}

export function DeleteForm({ artifact, onDone, onSaid }: Props) {
  const name = visible(artifact.name);
  const remove = useChange(
    () => api.delete(`/artifacts/${encodeURIComponent(artifact.digest)}`),
    () => {
      onSaid(`${name} is deleted.`);
      onDone();
    },
  );
  return (
    <form
      className="form"
      onSubmit={(event) => {
        event.preventDefault();
        remove.mutate();
      }}
    >
      <p>
        1 artifact: <strong>{name}</strong>, {sized(artifact.size)}, <code>{artifact.digest.slice(0, 19)}…</code>
      </p>
      <p>
        {artifact.state === 'uploading'
          ? 'Its upload ends, and what came of it goes.'
          : 'No revision that matters now needs it. An older one that names it can’t be assigned again before the file is put again.'}
      </p>
      <FormEnd verb="Delete 1 artifact" error={remove.error} isPending={remove.isPending} isDanger onCancel={onDone} />
    </form>
  );
}
