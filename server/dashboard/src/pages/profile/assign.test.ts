import { expect, test } from 'vitest';
import { commandOf, given, paramsOf, replacesWords } from './assign';

const document = { params: { ntp: { type: 'host' }, site: { type: 'string', default: 'main' } } };

test('every parameter of the revision has a field, and only what is filled in is sent', () => {
  const params = paramsOf(document);
  expect(params.map((param) => [param.name, param.default])).toEqual([
    ['ntp', undefined],
    ['site', 'main'],
  ]);
  expect(given(params, { ntp: 'ntp.corp.example', site: '', old: 'x' })).toEqual({ ntp: 'ntp.corp.example' });
  expect(paramsOf(undefined)).toEqual([]);
});

test('the command gives the parameters, quoted where a shell would split them', () => {
  const asked = { profile: 'base', revision: 3, target: 'everyone', mode: 'enforce' as const, precedence: 0 };
  expect(commandOf({ ...asked, params: { ntp: 'ntp.corp.example', motto: "it's fine" } })).toBe(
    "muster assign base@3 --to everyone --param ntp=ntp.corp.example --param motto='it'\\''s fine'",
  );
});

test('what is replaced is said with what is kept of it', () => {
  expect(replacesWords({ revision: 'base@3', kept: ['ntp'], gone: [] })).toBe('Replaces base@3 (keeps ntp).');
  expect(replacesWords({ revision: 'base@3', kept: [], gone: [] })).toBe('Replaces base@3.');
});
