// The text as its author wrote it, with its comments, and editing it in place.
import { Button, NativeSelect } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { revisionQuery } from '../../api/queries';
import type { ProfileDetail, SavedRevision } from '../../api/types';
import { Command, CopyButton, Note, ProblemNote } from '../../components/parts';
import { useMayChange } from '../../components/useMayChange';
import { counted, visible } from '../../components/visible';
import { tokens } from '../../components/yaml';
import { Editor } from './Editor';

const route = getRouteApi('/shell/profiles/$name');

export function SourceTab({ detail }: { detail: ProfileDetail }) {
  const { name, newest } = detail.profile;
  const { revision = newest } = route.useSearch();
  const navigate = useNavigate();
  const mayChange = useMayChange();
  const [isEditing, setEditing] = useState(false);
  const [saved, setSaved] = useState<SavedRevision>();
  const { data, error } = useQuery(revisionQuery(name, revision));
  const show = (number: number) =>
    navigate({
      to: '/profiles/$name',
      params: { name },
      search: { revision: number === newest ? undefined : number },
      replace: true,
    });
  if (error) return <ProblemNote error={error} />;
  if (!data) return <span className="bone" />;
  if (isEditing) {
    return (
      <Editor
        name={name}
        source={data.source}
        onCancel={() => setEditing(false)}
        onSaved={async (result) => {
          setEditing(false);
          setSaved(result);
          await navigate({ to: '/profiles/$name', params: { name }, search: {}, replace: true });
        }}
      />
    );
  }
  return (
    <>
      <div className="bar">
        <NativeSelect
          aria-label="Revision"
          size="xs"
          value={String(revision)}
          onChange={(e) => show(Number(e.currentTarget.value))}
          data={detail.revisions.map((each) => ({
            value: String(each.number),
            label: `${name}@${each.number}${each.number === newest ? ' (newest)' : ''}`,
          }))}
        />
        <span className="dim mono ellipsis" title={data.revision.digest}>
          {data.revision.digest.slice(0, 19)}…
        </span>
        <CopyButton text={data.source} label="Copy the source" />
        {mayChange && (
          <Button variant="default" size="xs" onClick={() => setEditing(true)}>
            {revision === newest ? 'Edit' : 'Edit from here'}
          </Button>
        )}
      </div>
      {saved && <SavedNote saved={saved} />}
      <Source text={data.source} />
    </>
  );
}

function SavedNote({ saved }: { saved: SavedRevision }) {
  if (!saved.new) {
    return (
      <Note tone="act">
        Nothing differs from {saved.profile}@{saved.number}, so no revision was made.
      </Note>
    );
  }
  const followers = saved.followers ?? [];
  if (followers.length > 0) {
    return (
      <Note tone={followers.some((follower) => follower.stays) ? 'act' : 'good'}>
        Saved as {saved.profile}@{saved.number}.
        <ul>
          {followers.map(({ target, devices, stays }) => (
            <li key={target}>
              {visible(target)} ({counted(devices, 'device')}){' '}
              {stays ? `stays as it is: ${visible(stays)}` : 'follows the profile and has it now'}
            </li>
          ))}
        </ul>
      </Note>
    );
  }
  return (
    <Note tone="good">
      <div className="form">
        <span>
          Saved as {saved.profile}@{saved.number}. Nothing follows the profile, so that no device has it yet; this
          assigns it:
        </span>
        <Command line={`muster assign ${saved.profile}@${saved.number} --to label:laptop`} />
      </div>
    </Note>
  );
}

function Source({ text }: { text: string }) {
  return (
    <div className="source">
      <ol>
        {text
          .replace(/\n$/, '')
          .split('\n')
          .map((line, i) => (
            // A line has no name but its number.
            <li key={i}>
              <span>
                {tokens(line).map((token, j) => (
                  <span key={j} data-token={token.kind}>
                    {visible(token.text)}
                  </span>
                ))}
              </span>
            </li>
          ))}
      </ol>
    </div>
  );
}
