/** How numbers and states are written for people. */
import type { Category, ItemStatus, LeadState, Outcome } from "./api";

/** Cents as euros with two decimals. */
export function euros(cents: number): string {
  const sign = cents < 0 ? "-" : "";
  const whole = Math.abs(cents);
  return `${sign}${Math.floor(whole / 100)}.${String(whole % 100).padStart(2, "0")} €`;
}

/** Euros as a person types them to cents; undefined for anything else. */
export function cents(text: string): number | undefined {
  const match = /^(\d{1,7})(?:[.,](\d{1,2}))?$/.exec(text.trim());
  if (!match) return undefined;
  return Number(match[1]) * 100 + Number((match[2] ?? "").padEnd(2, "0"));
}

export const STATUS_LABEL: Record<ItemStatus, string> = {
  in_stock: "In stock",
  listed: "Listed",
  sold: "Sold",
  written_off: "Written off",
};

export const CATEGORY_LABEL: Record<Category, string> = {
  games: "Games",
  books: "Books",
  electronics: "Electronics",
};

export const OUTCOME_LABEL: Record<Outcome, string> = { new: "New", repriced: "New price", unchanged: "Unchanged", refused: "Refused" };

export const LEAD_LABEL: Record<LeadState, string> = { open: "Open", converted: "Bought", discarded: "Left" };

/** `1 item`, `2 items`. */
export function count(number: number, one: string): string {
  return number === 1 ? `1 ${one}` : `${number} ${one}s`;
}

/** A month's name. */
export function monthName(month: number): string {
  return new Date(Date.UTC(2000, month - 1, 1)).toLocaleDateString("en", { month: "long", timeZone: "UTC" });
}

/** States that may follow a state. */
export const NEXT: Record<ItemStatus, ItemStatus[]> = {
  in_stock: ["listed", "written_off"],
  listed: ["sold", "in_stock"],
  sold: [],
  written_off: [],
};
