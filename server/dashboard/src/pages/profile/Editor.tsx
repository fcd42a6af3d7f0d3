// Editing a profile's source: what is wrong leads to its line and column.
import { Button, Modal, Textarea } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useRef, useState } from 'react';
import { ApiError, api, withQuery } from '../../api/client';
import type { SavedRevision, SourcePlace } from '../../api/types';
import { Note, ProblemNote } from '../../components/parts';
import { useUnsaved } from '../../components/useUnsaved';
import { visible } from '../../components/visible';
import { offsetOf } from '../../components/yaml';
import { PlanOnDevice } from '../plan/PlanForm';
import { type Brought, brought } from './followers';
import { Followers } from './FollowersForm';
import { nameIn } from './starter';

const NAMELESS = 'The line “profile:” has to name it, such as profile: base.';

interface Props {
  /** Absent for a profile that is new: then the text itself names it. */
  name?: string;
  source: string;
  /** Why the text can't be saved, if so. */
  objection?: (name: string) => string | undefined;
  onSaved: (saved: SavedRevision) => void;
  onCancel: () => void;
}

export function Editor({ name: known, source, objection, onSaved, onCancel }: Props) {
  const client = useQueryClient();
  const area = useRef<HTMLTextAreaElement>(null);
  const [text, setText] = useState(source);
  const [isPlanning, setPlanning] = useState(false);
  const name = known ?? nameIn(text);
  const what = known ?? 'a new profile';
  const put = useMutation({
    mutationFn: (dryRun: boolean) =>
      api.putText<SavedRevision>(
        withQuery(`/profiles/${encodeURIComponent(name ?? '')}`, { dry_run: dryRun }),
        text,
        'application/yaml',
      ),
    onSuccess: async (saved, dryRun) => {
      if (dryRun) return;
      await client.invalidateQueries();
      onSaved(saved);
    },
  });
  const [asked, setAsked] = useState<Brought>();
  /** Devices that follow the profile change by nothing more than a save, so that it is asked about first. */
  const save = async () => {
    const trial = await put.mutateAsync(true).catch(() => undefined);
    if (!trial) return;
    const going = brought(trial);
    if (going.targets.length > 0) setAsked(going);
    else put.mutate(false);
  };
  const goTo = ({ line, column }: SourcePlace) => {
    const at = offsetOf(text, line, column);
    area.current?.focus();
    area.current?.setSelectionRange(at, at);
    area.current?.scrollTo({ top: Math.max(0, (line - 6) * 20) });
  };
  const places = put.error instanceof ApiError ? (put.error.problem.errors ?? []) : [];
  const unsaved = useUnsaved(text !== source, `The source of ${what}`);
  const isChecked = put.isSuccess && put.variables === true;
  const refused = name === undefined ? NAMELESS : objection?.(name);
  return (
    <div className="form editor">
      <Textarea
        ref={area}
        aria-label={`Source of ${what}`}
        autosize
        minRows={22}
        maxRows={40}
        spellCheck={false}
        autoCapitalize="none"
        autoCorrect="off"
        value={text}
        onChange={(e) => {
          setText(e.currentTarget.value);
          if (!put.isPending) put.reset();
        }}
      />
      {places.length > 0 && (
        <div className="note" role="alert">
          <Places places={places} onGo={goTo} />
        </div>
      )}
      {places.length === 0 && <ProblemNote error={put.error} />}
      {isChecked && (
        <Note tone={put.data.warnings.length > 0 ? 'act' : 'good'}>
          {put.data.new
            ? `It can be saved as ${name}@${put.data.number}.`
            : `Nothing differs from ${name}@${put.data.number}.`}
          <Places places={put.data.warnings} onGo={goTo} />
        </Note>
      )}
      {refused && <Note tone="act">{refused}</Note>}
      <div className="actions">
        <Button
          onClick={save}
          loading={put.isPending}
          disabled={refused !== undefined || (known !== undefined && text === source)}
        >
          {known === undefined ? 'Save profile' : 'Save revision'}
        </Button>
        <Button variant="default" onClick={() => put.mutate(true)} disabled={put.isPending || refused !== undefined}>
          Check
        </Button>
        <Button variant="default" onClick={() => setPlanning(true)} disabled={name === undefined}>
          Plan on a device
        </Button>
        <Button variant="default" onClick={onCancel}>
          Cancel
        </Button>
      </div>
      {unsaved}
      <Modal opened={asked !== undefined} onClose={() => setAsked(undefined)} title={`Save ${what}`} size="lg">
        {asked && (
          <Followers
            brought={asked}
            onSave={() => {
              setAsked(undefined);
              put.mutate(false);
            }}
            onCancel={() => setAsked(undefined)}
          />
        )}
      </Modal>
      <Modal
        opened={isPlanning}
        onClose={() => setPlanning(false)}
        title={`Plan this text of ${what} on a device`}
        size="xl"
      >
        <PlanOnDevice tried={{ name: name ?? '', source: text }} />
      </Modal>
    </div>
  );
}

function Places({ places, onGo }: { places: SourcePlace[]; onGo: (place: SourcePlace) => void }) {
  if (places.length === 0) return null;
  return (
    <ul className="places">
      {places.map((place) => (
        <li key={`${place.line}:${place.column}:${place.message}`}>
          <button type="button" onClick={() => onGo(place)}>
            <code>{place.line > 0 ? `${place.line}:${place.column}` : 'whole'}</code>
            <span>{visible(place.message)}</span>
          </button>
        </li>
      ))}
    </ul>
  );
}
