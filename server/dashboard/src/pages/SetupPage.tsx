// Choosing a password by a one-time link: the first admin, or one who was added, whom the link names. The secret is after the #, so it never reaches a log of requests.
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
  const [given] = useState(() => new URLSearchParams(location.search).get('name') ?? '');
  return (
    <div className="outside">
      <main>
        <div className="brand">
          <Mark />
          Muster
        </div>
        {link ? <Choose link={link} given={given} /> : <NoLink />}
      </main>
    </div>
  );
}

function NoLink() {
  return (
    <div className="form">
      <h1>The setup link is not whole</h1>
      <p className="dim">
        Open it with everything after the #. Another admin makes a new one by muster admin reset; before there is an
        admin, the server does, which works for one hour:
      </p>
      <Command line="sudo muster-server setup" />
    </div>
  );
}

function Choose({ link, given }: { link: string; given: string }) {
  const navigate = useNavigate();
  const client = useQueryClient();
  const [name, setName] = useState(given);
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
      <h1>{given ? 'Choose a password' : 'Set up the first admin'}</h1>
      <p className="lead">
        This link works once.{given ? '' : ' Further admins are made by this one.'}
      </p>
      <form className="form" onSubmit={submit} noValidate>
        <TextInput
          label="Name"
          name="name"
          autoComplete="username"
          autoCapitalize="none"
          required
          withAsterisk={false}
          readOnly={given !== ''}
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
          {given ? 'Keep it and log in' : 'Create admin and log in'}
        </Button>
      </form>
    </>
  );
}
