import { useMutation, useQueryClient, type QueryClient, type QueryKey } from "@tanstack/react-query";

/**
 * What stands under a key is asked for again. A first read that is still under way is given up before: it was asked before the change, and
 * the cache would join it instead of asking anew.
 */
export async function makeStale(client: QueryClient, queryKey: QueryKey) {
  await client.cancelQueries({ queryKey });
  await client.invalidateQueries({ queryKey });
}

/** A change that makes what stands under some keys stale. */
export function useChange<T, R>(change: (value: T) => Promise<R>, stale: readonly (readonly string[])[], done: (result: R) => void = () => {}) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: change,
    onSuccess: async (result) => {
      await Promise.all(stale.map((queryKey) => makeStale(client, queryKey)));
      done(result);
    },
  });
}
