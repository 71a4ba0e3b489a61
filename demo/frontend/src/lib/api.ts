/** The service's wire types, and the one place that talks to it. */

export type ItemStatus = "in_stock" | "listed" | "sold" | "written_off";

export type Category = "games" | "books" | "electronics";

export interface Product {
  sku: string;
  title: string;
  category: Category;
  variant: string;
  attributes: Record<string, string>;
  label: string;
}

export interface InventoryItem {
  number: number;
  sku: string;
  label: string;
  cost: number;
  purchase: number;
  status: ItemStatus;
}

export interface Inventory {
  items: InventoryItem[];
  value: number;
}

export interface Line {
  sku: string;
  quantity: number;
  unit_cost: number;
}

export interface Trip {
  day: string;
  kilometres: number;
  purpose: string;
}

export interface Purchase {
  number: number;
  seller: string;
  day: string;
  state: "draft" | "finalized";
  lines: Line[];
  trips: Trip[];
  goods: number;
  travel: number;
}

export interface DashboardFigures {
  items: Record<ItemStatus, number>;
  value: number;
  drafts: number;
  year: number;
  kilometres: number;
}

/** The service refused; the message is its own. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

async function call<T>(path: string, body?: unknown): Promise<T> {
  const init = body === undefined ? {} : { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } };
  const response = await fetch(`/api${path}`, init);
  const answer: unknown = await response.json();
  if (!response.ok) {
    const detail = (answer as { detail?: unknown }).detail;
    throw new ApiError(response.status, typeof detail === "string" ? detail : `the service answered ${response.status}`);
  }
  return answer as T;
}

export const api = {
  dashboard: (year: number) => call<DashboardFigures>(`/dashboard?year=${year}`),
  products: () => call<Product[]>("/products"),
  addProduct: (product: Pick<Product, "sku" | "title" | "category">) => call<Product>("/products", product),
  purchases: () => call<Purchase[]>("/purchases"),
  inventory: (q: string, status: ItemStatus | "all") => {
    const query = new URLSearchParams({ ...(q ? { q } : {}), ...(status === "all" ? {} : { status }) }).toString();
    return call<Inventory>(`/inventory${query ? `?${query}` : ""}`);
  },
  move: (number: number, status: ItemStatus) => call<InventoryItem>(`/inventory/${number}/move`, { status }),
  createPurchase: (seller: string, day: string) => call<Purchase>("/purchases", { seller, day }),
  addLine: (number: number, line: Line) => call<Purchase>(`/purchases/${number}/lines`, line),
  addTrip: (number: number, trip: Trip) => call<Purchase>(`/purchases/${number}/trips`, trip),
  finalize: (number: number) => call<InventoryItem[]>(`/purchases/${number}/finalize`, {}),
};
