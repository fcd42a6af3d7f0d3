// The only place that talks to the server: same origin, session cookie, problem+json.
import { contact } from './contact';
import type { Problem, Session } from './types';

/** The server refused, and said why. */
export class ApiError extends Error {
  readonly status: number;
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail || problem.title);
    this.status = problem.status;
    this.problem = problem;
  }
}

/** No answer came, or none that the server would give. */
export class Unreachable extends Error {
  constructor() {
    super(
      'The server did not answer. Check that muster-server runs and that you can reach it, then try again.',
    );
  }
}

let csrf = '';

/** Keeps the token that goes with every change made in this session. */
export function keepCsrf(session: Session): Session {
  csrf = session.csrf;
  return session;
}

type Query = Record<string, string | number | boolean | undefined>;

/** Turns values into a query string, leaving out what is empty. */
export function withQuery(path: string, query: Query): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined && value !== '' && value !== false) params.set(key, String(value));
  }
  const text = params.toString();
  return text ? `${path}?${text}` : path;
}

async function request<T>(method: string, path: string, body?: BodyInit, type?: string): Promise<T> {
  const headers: Record<string, string> = { Accept: 'application/json' };
  if (method !== 'GET' && csrf) headers['X-Muster-CSRF'] = csrf;
  if (type) headers['Content-Type'] = type;
  let response: Response;
  try {
    response = await fetch(`/api/v1${path}`, { method, headers, body, credentials: 'same-origin' });
  } catch {
    contact.lost();
    throw new Unreachable();
  }
  if (response.status >= 502 && response.status <= 504 && !isProblem(response)) {
    contact.lost();
    throw new Unreachable();
  }
  contact.made(response.headers.get('Date'));
  if (!response.ok) throw new ApiError(await problemOf(response));
  const text = await response.text();
  return (text ? JSON.parse(text) : undefined) as T;
}

/** Whether the answer is the server's own, and not that of a proxy before it. */
function isProblem(response: Response): boolean {
  return response.headers.get('Content-Type')?.startsWith('application/problem+json') ?? false;
}

async function problemOf(response: Response): Promise<Problem> {
  const nothing = { type: 'about:blank', status: response.status, title: response.statusText || 'Refused' };
  try {
    const said = (await response.json()) as Partial<Problem>;
    return { ...nothing, detail: '', ...said };
  } catch {
    return { ...nothing, detail: `The server answered ${response.status} ${response.statusText}.` };
  }
}

export const api = {
  get: <T>(path: string) => request<T>('GET', path),
  post: <T>(path: string, body?: unknown) =>
    body === undefined
      ? request<T>('POST', path)
      : request<T>('POST', path, JSON.stringify(body), 'application/json'),
  postText: <T>(path: string, text: string, type: string) => request<T>('POST', path, text, type),
  patch: <T>(path: string, body: unknown) =>
    request<T>('PATCH', path, JSON.stringify(body), 'application/json'),
  put: <T>(path: string) => request<T>('PUT', path),
  putText: <T>(path: string, text: string, type: string) => request<T>('PUT', path, text, type),
  delete: <T>(path: string) => request<T>('DELETE', path),
};

/** Whether the server wants a login first. */
export function isLoggedOut(error: unknown): boolean {
  return error instanceof ApiError && error.status === 401;
}
