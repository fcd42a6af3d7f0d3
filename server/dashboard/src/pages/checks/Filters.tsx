// Narrows results to one verdict; a link may have narrowed them to one revision.
import { Select } from '@mantine/core';
import type { ResultFilter } from '../../api/fleet';
import { Chip } from '../../components/Chip';
import { FINDINGS } from '../../components/days';
import { counted } from '../../components/visible';
import { look } from '../../components/words';

interface Props {
  filter: ResultFilter;
  total?: number;
  onChange: (filter: ResultFilter) => void;
}

export function Filters({ filter, total, onChange }: Props) {
  return (
    <search className="bar">
      <Select
        aria-label="Result"
        placeholder="Any result"
        size="xs"
        w={160}
        clearable
        clearButtonProps={{ 'aria-label': 'Any result' }}
        data={FINDINGS.map((word) => ({ value: word, label: look(word).label }))}
        value={filter.verdict ?? null}
        onChange={(word) => onChange({ ...filter, verdict: FINDINGS.find((known) => known === word) })}
      />
      <Chip what="of" name={filter.profile} onRemove={() => onChange({ ...filter, profile: undefined })} />
      <span className="count" role="status">
        {total === undefined ? '' : counted(total, 'result')}
      </span>
    </search>
  );
}
