// The report for auditors: how many days of history, and as what it comes.
import { Button, Modal, NativeSelect } from '@mantine/core';
import { useState } from 'react';
import { withQuery } from '../../api/client';

const SPANS = [
  { value: '1', label: 'today' },
  { value: '30', label: '30 days' },
  { value: '90', label: '90 days' },
  { value: '366', label: 'a year' },
];

const FORMATS = [
  { format: 'html', label: 'HTML, one page that stands alone' },
  { format: 'csv', label: 'CSV, a row for each device and check' },
];

/** With `control` given, the report is of that control alone. */
export function ReportButton({ control }: { control?: string }) {
  const [isOpen, setOpen] = useState(false);
  const [days, setDays] = useState('30');
  return (
    <>
      <Button variant="default" size="xs" onClick={() => setOpen(true)}>
        Report
      </Button>
      <Modal opened={isOpen} onClose={() => setOpen(false)} title="Report">
        <div className="form">
          <p>Per control its checks, how each device stands and since when, the waivers, and the days.</p>
          <NativeSelect
            label="History"
            data={SPANS}
            value={days}
            onChange={(e) => setDays(e.currentTarget.value)}
          />
          {FORMATS.map(({ format, label }) => (
            <a
              key={format}
              href={withQuery('/api/v1/compliance/report', { format, days, control })}
              download={`muster-report.${format}`}
            >
              Download as {label}
            </a>
          ))}
        </div>
      </Modal>
    </>
  );
}
