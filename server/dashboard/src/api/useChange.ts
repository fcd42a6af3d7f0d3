// A change of the record: any page may show what it touched, so that everything is asked again before the form closes.
import { useMutation, useQueryClient } from '@tanstack/react-query';

/** `make` sends the change; `onDone` gets the answer once the pages know of it. The answer is kept by the caller alone. */
export function useChange<Answer, Sent = void>(
  make: (sent: Sent) => Promise<Answer>,
  onDone?: (answer: Answer) => void | Promise<void>,
) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: make,
    gcTime: 0,
    onSuccess: async (answer) => {
      await client.invalidateQueries();
      await onDone?.(answer);
    },
  });
}
