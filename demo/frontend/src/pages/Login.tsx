import { useMutation } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";

import { api } from "../lib/api";

/** Name and password, before anything else. */
export function Login({ onSignedIn }: { onSignedIn: () => void }) {
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const signIn = useMutation({ mutationFn: () => api.signIn(name.trim(), password), onSuccess: onSignedIn });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    signIn.mutate();
  };
  return (
    <section className="login" aria-labelledby="login-title">
      <h1 id="login-title">Sign in</h1>
      <form aria-label="Sign in" onSubmit={submit}>
        <label>
          Name <input autoComplete="username" required value={name} onChange={(event) => setName(event.target.value)} />
        </label>
        <label>
          Password <input type="password" autoComplete="current-password" required value={password} onChange={(event) => setPassword(event.target.value)} />
        </label>
        <button disabled={signIn.isPending || !name.trim() || !password}>Sign in</button>
        {signIn.isError && <p role="alert">{signIn.error.message}</p>}
      </form>
    </section>
  );
}
