import { useState, type FormEvent } from "react";

import { useChange } from "./useChange";

interface Props {
  label: string;
  who: string;
  create: (who: string, day: string) => Promise<unknown>;
  stale: readonly (readonly string[])[];
}

/** A form that begins a draft: with whom, and when. */
export function Begin({ label, who, create, stale }: Props) {
  const [name, setName] = useState("");
  const [day, setDay] = useState("");
  const begin = useChange(
    () => create(name.trim(), day),
    stale,
    () => setName(""),
  );
  const submit = (event: FormEvent) => {
    event.preventDefault();
    begin.mutate(undefined);
  };
  return (
    <form aria-label={label} onSubmit={submit}>
      <label>
        {who} <input required value={name} onChange={(event) => setName(event.target.value)} />
      </label>
      <label>
        Day <input required type="date" value={day} onChange={(event) => setDay(event.target.value)} />
      </label>
      <button disabled={begin.isPending || !name.trim() || !day}>Begin</button>
      {begin.isError && <p role="alert">{begin.error.message}</p>}
    </form>
  );
}
