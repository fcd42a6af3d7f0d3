// Logging in with a name, a password, and a code where the account asks for one.
import { Button, PasswordInput, TextInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { getRouteApi, useNavigate } from '@tanstack/react-router';
import { type FormEvent, useEffect, useState } from 'react';
import { needsCode } from '../api/access';
import { api, keepCsrf } from '../api/client';
import { sessionQuery } from '../api/queries';
import type { Login, Session } from '../api/types';
import { ProblemNote } from '../components/parts';
import { Mark } from '../routes/Brand';

const route = getRouteApi('/login');

/** Where to go after the login: only to a page of this server. */
export function safeNext(next: string | undefined): string {
  return next?.startsWith('/') && !next.startsWith('//') && !next.startsWith('/\\') ? next : '/';
}

export function LoginPage() {
  const { next } = route.useSearch();
  const navigate = useNavigate();
  const client = useQueryClient();
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [code, setCode] = useState('');
  const logIn = useMutation({
    mutationFn: (login: Login) => api.post<Session>('/session', login),
    onSuccess: async (session) => {
      client.clear();
      client.setQueryData(sessionQuery.queryKey, keepCsrf(session));
      await navigate({ href: safeNext(next), replace: true });
    },
  });
  // Once asked for, it stays: a wrong code is told by another problem.
  const [isAsked, setAsked] = useState(false);
  const asksNow = needsCode(logIn.error);
  useEffect(() => {
    if (asksNow) setAsked(true);
  }, [asksNow]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    logIn.mutate({ name, password, ...(code ? { code } : {}) });
  };
  return (
    <div className="outside">
      <main>
        <div className="brand">
          <Mark />
          Muster
        </div>
        <h1>Log in</h1>
        <p className="lead">{location.host}</p>
        <form className="form" onSubmit={submit}>
          <TextInput
            label="Name"
            name="name"
            autoComplete="username"
            autoCapitalize="none"
            required
            withAsterisk={false}
            value={name}
            onChange={(e) => setName(e.currentTarget.value)}
            data-autofocus
          />
          <PasswordInput
            label="Password"
            name="password"
            autoComplete="current-password"
            required
            withAsterisk={false}
            value={password}
            onChange={(e) => setPassword(e.currentTarget.value)}
          />
          {isAsked && (
            <TextInput
              label="Code"
              name="code"
              description="Of your authenticator, or a recovery code."
              autoComplete="one-time-code"
              autoFocus
              required
              withAsterisk={false}
              value={code}
              onChange={(e) => setCode(e.currentTarget.value)}
            />
          )}
          <ProblemNote error={asksNow ? null : logIn.error} />
          <Button type="submit" loading={logIn.isPending}>
            Log in
          </Button>
        </form>
      </main>
    </div>
  );
}
