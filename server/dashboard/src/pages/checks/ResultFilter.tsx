// Narrows results to one verdict.
import { Select } from '@mantine/core';
import type { Verdict } from '../../api/types';
import { VERDICTS } from '../../components/days';
import { counted } from '../../components/visible';
import { look } from '../../components/words';

interface Props {
  verdict?: Verdict;
  total?: number;
  onChange: (verdict?: Verdict) => void;
}

export function ResultFilter({ verdict, total, onChange }: Props) {
  return (
    <search className="bar">
      <Select
        aria-label="Result"
        placeholder="Any result"
        size="xs"
        w={160}
        clearable
        clearButtonProps={{ 'aria-label': 'Any result' }}
        data={VERDICTS.map((word) => ({ value: word, label: look(word).label }))}
        value={verdict ?? null}
        onChange={(word) => onChange(VERDICTS.find((known) => known === word))}
      />
      <span className="count" role="status">
        {total === undefined ? '' : counted(total, 'result')}
      </span>
    </search>
  );
}
