// Who administers: the questions of the settings page and the shapes of their answers.
import { queryOptions } from '@tanstack/react-query';
import { ApiError, api } from './client';
import type { components } from './schema';

type Schemas = components['schemas'];

export type Account = Schemas['Account'];
export type Admin = Schemas['AdminView'];
export type AdminLink = Schemas['AdminLink'];
export type ApiToken = Schemas['ApiToken'];
export type CreatedApiToken = Schemas['CreatedApiToken'];
export type Ended = Schemas['Ended'];
export type NewAdmin = Schemas['NewAdmin'];
export type NewApiToken = Schemas['NewApiToken'];
export type Role = Schemas['Role'];
export type Scope = Schemas['Scope'];
export type TotpSecret = Schemas['TotpSecret'];

export const accountQuery = queryOptions({
  queryKey: ['account'],
  queryFn: () => api.get<Account>('/account'),
});

export const adminsQuery = queryOptions({
  queryKey: ['admins'],
  queryFn: () => api.get<Admin[]>('/admins'),
});

export const apiTokensQuery = queryOptions({
  queryKey: ['api-tokens'],
  queryFn: () => api.get<ApiToken[]>('/api-tokens'),
});

/** Whether the password was right and a code is needed too. */
export function needsCode(error: unknown): boolean {
  return error instanceof ApiError && error.problem.type === 'urn:muster:code-needed';
}
