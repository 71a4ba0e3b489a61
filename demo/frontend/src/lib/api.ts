/** The service's wire types, and the one place that talks to it. */

import { keep, kept } from "./storage";

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

export type Outcome = "new" | "repriced" | "unchanged" | "refused";

export interface ListingFile {
  market: string;
  format: "csv" | "json";
  text: string;
}

export interface FileRow {
  line: number;
  reference: string;
  sku: string;
  price: number;
  outcome: Outcome;
  item: number | null;
  why: string;
}

export interface Listing {
  market: string;
  reference: string;
  item: number;
  sku: string;
  label: string;
  price: number;
}

export type LeadState = "open" | "converted" | "discarded";

export interface Lead {
  number: number;
  source: string;
  reference: string;
  sku: string;
  asking: number;
  worth: number;
  margin: number;
  state: LeadState;
  purchase: number | null;
  reason: string;
}

export interface Offer {
  reference: string;
  sku: string;
  asking: number;
}

export interface SourcingRun {
  leads: Lead[];
  known: number;
  not_worth_it: number;
  passed_over: number;
}

export interface SaleLine {
  item: number;
  price: number;
  returned: { day: string; refund: number; restocked: boolean; reason: string } | null;
}

export interface Sale {
  number: number;
  buyer: string;
  day: string;
  state: "draft" | "finalized";
  lines: SaleLine[];
  total: number;
}

export interface ReturnIn {
  item: number;
  day: string;
  refund: number;
  restock: boolean;
  reason: string;
}

export interface Month {
  month: number;
  pieces: number;
  revenue: number;
  refunds: number;
  cost: number;
  profit: number;
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

type SignedOut = () => void;
let signedOut: SignedOut = () => {};

/** Who is told when the service knows nobody behind the token any more. */
export function onSignedOut(listener: SignedOut): void {
  signedOut = listener;
}

const isToken = (value: unknown): value is string => typeof value === "string" && value !== "";

/** Somebody is signed in, as far as this browser knows. */
export const hasToken = () => kept("token", isToken) !== undefined;

async function call<T>(path: string, body?: unknown, verb?: "DELETE"): Promise<T> {
  const token = kept("token", isToken);
  const headers = { ...(token ? { authorization: `Bearer ${token}` } : {}), ...(body === undefined ? {} : { "content-type": "application/json" }) };
  const method = verb ?? (body === undefined ? "GET" : "POST");
  const response = await fetch(`/api${path}`, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
  if (response.status === 204) return undefined as T;
  const answer: unknown = await response.json();
  if (response.status === 401 && token) {
    keep("token", undefined);
    signedOut();
  }
  if (!response.ok) {
    const detail = (answer as { detail?: unknown }).detail;
    throw new ApiError(response.status, typeof detail === "string" ? detail : `the service answered ${response.status}`);
  }
  return answer as T;
}

export const api = {
  signIn: async (name: string, password: string) => {
    const answer = await call<{ token: string; name: string }>("/session", { name, password });
    keep("token", answer.token);
    return answer.name;
  },
  signOut: async () => {
    await call<undefined>("/session", undefined, "DELETE");
    keep("token", undefined);
    signedOut();
  },
  preview: (file: ListingFile) => call<FileRow[]>("/marketplace/preview", file),
  applyListings: (file: ListingFile) => call<FileRow[]>("/marketplace/imports", file),
  listings: () => call<Listing[]>("/marketplace/listings"),
  source: (source: string, offers: Offer[], margin: number) => call<SourcingRun>("/sourcing/runs", { source, offers, margin_percent: margin }),
  leads: () => call<Lead[]>("/sourcing/leads"),
  convert: (number: number, day: string) => call<Lead>(`/sourcing/leads/${number}/convert`, { day }),
  discardLead: (number: number, reason: string) => call<Lead>(`/sourcing/leads/${number}/discard`, { reason }),
  sales: () => call<Sale[]>("/sales"),
  createSale: (buyer: string, day: string) => call<Sale>("/sales", { buyer, day }),
  addPiece: (number: number, item: number, price: number) => call<Sale>(`/sales/${number}/lines`, { item, price }),
  finalizeSale: (number: number) => call<Sale>(`/sales/${number}/finalize`, {}),
  takeBack: (number: number, back: ReturnIn) => call<Sale>(`/sales/${number}/returns`, back),
  report: (year: number) => call<Month[]>(`/reports/${year}`),
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
