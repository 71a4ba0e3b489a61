/** Query keys: what a change makes stale is named by its first word. */
import type { ItemStatus } from "./api";

export const keys = {
  dashboardOf: (year: number) => ["dashboard", year] as const,
  listings: ["listings"] as const,
  leads: ["leads"] as const,
  sales: ["sales"] as const,
  reportOf: (year: number) => ["report", year] as const,
  report: ["report"] as const,
  dashboard: ["dashboard"] as const,
  products: ["products"] as const,
  purchases: ["purchases"] as const,
  inventory: ["inventory"] as const,
  inventoryOf: (q: string, status: ItemStatus | "all") => ["inventory", q, status] as const,
};
