/** Query keys: what a change makes stale is named by its first word. */
import type { ItemStatus } from "./api";

export const keys = {
  dashboardOf: (year: number) => ["dashboard", year] as const,
  products: ["products"] as const,
  purchases: ["purchases"] as const,
  inventory: ["inventory"] as const,
  inventoryOf: (q: string, status: ItemStatus | "all") => ["inventory", q, status] as const,
};
