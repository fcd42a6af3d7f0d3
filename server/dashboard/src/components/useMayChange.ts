// Whether who is logged in may change anything; the server decides in any case.
import { useQuery } from '@tanstack/react-query';
import { sessionQuery } from '../api/queries';

export function useMayChange(): boolean {
  return useQuery(sessionQuery).data?.role === 'admin';
}
