// Writing a profile that is not there yet, from the text that the command line begins with too.
import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { profilesQuery } from '../../api/queries';
import { Empty, ProblemNote } from '../../components/parts';
import { useMayChange } from '../../components/useMayChange';
import { Editor } from './Editor';
import { starter } from './starter';
import './profile.css';

/** The way to the page, for who may change things. */
export function NewProfileLink({ label = 'New profile' }: { label?: string }) {
  if (!useMayChange()) return null;
  return (
    <Button size="xs" renderRoot={(props) => <Link to="/new-profile" {...props} />}>
      {label}
    </Button>
  );
}

export function NewProfilePage() {
  const navigate = useNavigate();
  const { data, error } = useQuery(profilesQuery);
  const mayChange = useMayChange();
  if (!mayChange) {
    return (
      <Empty isPage title="Profiles are written by admins" why="You are logged in as somebody who reads everything and changes nothing.">
        <Link to="/profiles">All profiles</Link>
      </Empty>
    );
  }
  if (!data) return error ? <ProblemNote error={error} /> : <span className="bone" />;
  const taken = (name: string) => {
    const before = data.find((profile) => profile.name === name);
    return before && `There is a profile ${name} already, at revision ${before.newest}: give this one another name, or edit that one.`;
  };
  return (
    <>
      <title>New profile · Muster</title>
      <div className="pagehead">
        <h1>New profile</h1>
        <span className="dim">Nothing has it before it is assigned. What can be written:</span>
        <a href="/docs/profiles">the profile language</a>
      </div>
      <Editor
        source={starter(data.map((profile) => profile.name))}
        objection={taken}
        onCancel={() => navigate({ to: '/profiles' })}
        onSaved={({ profile }) =>
          navigate({ to: '/profiles/$name', params: { name: profile }, search: { tab: 'assigned' }, ignoreBlocker: true })
        }
      />
    </>
  );
}
