import { expect, test } from 'vitest';
import { snippets, tokenCommand } from './snippets';

test('a token that is what the command line makes by default needs no words but how it is printed', () => {
  expect(tokenCommand({ uses: 1, hours: 24, unknown: 'pending' })).toBe('muster token create --print shell');
});

test('what differs from that is said', () => {
  const asked = { labels: ['web'], uses: 2, hours: 1, serial: 'SRV-1', unknown: 'refuse' } as const;
  expect(tokenCommand({ ...asked, labels: ['web'] })).toBe(
    'muster token create --label web --serial SRV-1 --uses 2 --expires 1h --unknown refuse --print shell',
  );
});

test('a machine that runs comes first, and each way has its own text', () => {
  const by = { shell: 'a', cloud_init: 'b', preseed: 'c', autoinstall: 'd' };
  expect(snippets({ join_file: 'e', snippets: by }).map((way) => way.text)).toEqual(['a', 'b', 'c', 'd', 'e']);
});
