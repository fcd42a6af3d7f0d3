// The first admin, by the one-time link. The secret is after the #, so it never reaches a log of requests.
import { Button, PasswordInput, TextInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import { api, keepCsrf } from '../api/client';
import { sessionQuery } from '../api/queries';
import type { Session, Setup } from '../api/types';
import { Command, ProblemNote } from '../components/parts';
import { Mark } from '../routes/Brand';
import { MIN_LENGTH, passwordProblem } from './passwords';

export function SetupPage() {
  const [link] = useState(() => location.hash.slice(1));
  return (
    <div className="outside">
      <main>
        <div className="brand">
          <Mark />
          Muster
        </div>
        {link ? <FirstAdmin link={link} /> : <NoLink />}
      </main>
    </div>
  );
}

function NoLink() {
  return (
    <div className="form">
      <h1>The setup link is not whole</h1>
      <p className="dim">
        Open it with everything after the #. On the server this prints where a new one is written, which works
        for one hour:
      </p>
      <Command line="sudo muster-server setup" />
    </div>
  );
}

function FirstAdmin({ link }: { link: string }) {
  const navigate = useNavigate();
  const client = useQueryClient();
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [again, setAgain] = useState('');
  const [tried, setTried] = useState(false);
  const setUp = useMutation({
    mutationFn: (setup: Setup) => api.post<Session>('/setup', setup),
    onSuccess: async (session) => {
      client.setQueryData(sessionQuery.queryKey, keepCsrf(session));
      await navigate({ to: '/', replace: true });
    },
  });
  const wrong = passwordProblem(name, password);
  const different = password === again ? undefined : 'The two are not the same.';
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (!wrong && !different) setUp.mutate({ link, name, password });
  };
  return (
    <>
      <h1>Set up the first admin</h1>
      <p className="lead">This link works once. Further admins are made by this one.</p>
      <form className="form" onSubmit={submit} noValidate>
        <TextInput
          label="Name"
          name="name"
          autoComplete="username"
          autoCapitalize="none"
          required
          withAsterisk={false}
          value={name}
          onChange={(e) => setName(e.currentTarget.value)}
          error={tried && !name ? 'A name to log in with.' : undefined}
        />
        <PasswordInput
          label="Password"
          name="password"
          description={`At least ${MIN_LENGTH} characters. A few words are good; no other rules.`}
          autoComplete="new-password"
          required
          withAsterisk={false}
          value={password}
          onChange={(e) => setPassword(e.currentTarget.value)}
          error={tried ? wrong : undefined}
        />
        <PasswordInput
          label="Password again"
          name="again"
          autoComplete="new-password"
          required
          withAsterisk={false}
          value={again}
          onChange={(e) => setAgain(e.currentTarget.value)}
          error={tried ? different : undefined}
        />
        <ProblemNote error={setUp.error} />
        <Button type="submit" loading={setUp.isPending}>
          Create admin and log in
        </Button>
      </form>
    </>
  );
}
