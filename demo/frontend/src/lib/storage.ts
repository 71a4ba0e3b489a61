/** What the browser keeps for us: values that survive a reload, each checked when it is read. */
import { useState } from "react";

const PREFIX = "resale.";

/** A kept value; undefined where there is none, or where it is not what it should be. */
export function kept<T>(key: string, check: (value: unknown) => value is T): T | undefined {
  try {
    const text = localStorage.getItem(PREFIX + key);
    const value: unknown = text === null ? undefined : JSON.parse(text);
    return check(value) ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof DOMException) return undefined; // somebody else's value, or no storage at all
    throw error;
  }
}

/** Keeps a value; undefined forgets it. A browser that keeps nothing is no error. */
export function keep(key: string, value: unknown): void {
  try {
    if (value === undefined) localStorage.removeItem(PREFIX + key);
    else localStorage.setItem(PREFIX + key, JSON.stringify(value));
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
  }
}

/** The state of a view that is still there after a reload. */
export function useView<T extends string>(key: string, options: readonly T[], initial: T): [T, (value: T) => void] {
  const known = (value: unknown): value is T => options.includes(value as T);
  const [value, setValue] = useState<T>(() => kept(`view.${key}`, known) ?? initial);
  const change = (next: T) => {
    setValue(next);
    keep(`view.${key}`, next);
  };
  return [value, change];
}
