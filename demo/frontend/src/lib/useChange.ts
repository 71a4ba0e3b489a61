import { useMutation, useQueryClient } from "@tanstack/react-query";

/** A change that makes what stands under some keys stale. */
export function useChange<T, R>(change: (value: T) => Promise<R>, stale: readonly (readonly string[])[], done: (result: R) => void = () => {}) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: change,
    onSuccess: async (result) => {
      await Promise.all(stale.map((queryKey) => client.invalidateQueries({ queryKey })));
      done(result);
    },
  });
}
