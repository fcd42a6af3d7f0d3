// A destructive action names and counts what it touches; above ten the count has to be typed.
import { TextInput } from '@mantine/core';
import { useState } from 'react';

/** So many may go by a click; more are easily hit by mistake. */
const BY_CLICK = 10;

/** Whether the count was typed where it has to be, and the field to type it in. */
export function useTyped(count: number) {
  const [typed, setTyped] = useState('');
  const isNeeded = count > BY_CLICK;
  return {
    isConfirmed: !isNeeded || typed.trim() === String(count),
    field: isNeeded && (
      <TextInput
        label={`Type ${count} to confirm`}
        autoComplete="off"
        inputMode="numeric"
        value={typed}
        onChange={(e) => setTyped(e.currentTarget.value)}
      />
    ),
  };
}
