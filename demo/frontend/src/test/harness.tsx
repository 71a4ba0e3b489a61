/**
 * The one way page tests render, wait and act. Every test has its own query client and its own server in memory, answers come in
 * the order of the requests, and nothing retries or refetches behind a test's back.
 */
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { render, screen, waitForElementToBeRemoved, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import type { ReactElement } from "react";
import { vi } from "vitest";

import type { FileRow, InventoryItem, Lead, Listing, ListingFile, Month, Offer, Product, Purchase, ReturnIn, Sale } from "../lib/api";
import { FIND_TIMEOUT_MS } from "./policy";

export { screen, within };

/** What the server in memory knows. */
export interface World {
  products: Product[];
  purchases: Purchase[];
  items: InventoryItem[];
  listings: Listing[];
  leads: Lead[];
  sales: Sale[];
}

/** A request that the page made. */
export interface Seen {
  method: string;
  path: string;
  body: unknown;
}

type Answer = { status: number; body: unknown };
type Handler = (world: World, match: RegExpMatchArray, url: URL, body: never) => Answer;

/** The one password that the server in memory takes. */
export const PASSWORD = "a long enough password";

const ok = (body: unknown, status = 200): Answer => ({ status, body });

const ROUTES: [string, RegExp, Handler][] = [
  [
    "POST",
    /^\/api\/session$/,
    (_world, _match, _url, body: { name: string; password: string }) =>
      body.password === PASSWORD ? ok({ token: "a token", name: body.name }) : ok({ detail: "name or password is wrong" }, 401),
  ],
  ["DELETE", /^\/api\/session$/, () => ok(null, 204)],
  ["GET", /^\/api\/marketplace\/listings$/, (world) => ok(world.listings)],
  ["POST", /^\/api\/marketplace\/preview$/, (world, _match, _url, body: ListingFile) => ok(rowsOf(world, body))],
  [
    "POST",
    /^\/api\/marketplace\/imports$/,
    (world, _match, _url, body: ListingFile) => {
      const rows = rowsOf(world, body);
      const good = rows.filter((row) => row.item !== null);
      const listed = good.map((row) => ({ market: body.market, reference: row.reference, item: row.item ?? 0, sku: row.sku, label: row.sku, price: row.price }));
      world.listings = [...listed, ...world.listings];
      return ok(rows, 201);
    },
  ],
  ["GET", /^\/api\/sourcing\/leads$/, (world) => ok(world.leads)],
  [
    "POST",
    /^\/api\/sourcing\/runs$/,
    (world, _match, _url, body: { source: string; offers: Offer[] }) => {
      const found = body.offers.map((offer, index): Lead => ({
        ...offer,
        number: world.leads.length + index + 1,
        source: body.source,
        worth: offer.asking * 2,
        margin: offer.asking,
        state: "open",
        purchase: null,
        reason: "",
      }));
      world.leads = [...found, ...world.leads];
      return ok({ leads: found, known: 0, not_worth_it: 1, passed_over: 0 }, 201);
    },
  ],
  ["POST", /^\/api\/sourcing\/leads\/(\d+)\/convert$/, (world, match) => changeLead(world, Number(match[1]), { state: "converted", purchase: 7 })],
  [
    "POST",
    /^\/api\/sourcing\/leads\/(\d+)\/discard$/,
    (world, match, _url, body: { reason: string }) => changeLead(world, Number(match[1]), { state: "discarded", reason: body.reason }),
  ],
  ["GET", /^\/api\/sales$/, (world) => ok([...world.sales].reverse())],
  [
    "POST",
    /^\/api\/sales$/,
    (world, _match, _url, body: { buyer: string; day: string }) => {
      const sale: Sale = { number: world.sales.length + 1, ...body, state: "draft", lines: [], total: 0 };
      world.sales = [...world.sales, sale];
      return ok(sale, 201);
    },
  ],
  [
    "POST",
    /^\/api\/sales\/(\d+)\/lines$/,
    (world, match, _url, body: { item: number; price: number }) =>
      changeSale(world, Number(match[1]), (sale) => ({ ...sale, lines: [...sale.lines, { ...body, returned: null }] })),
  ],
  [
    "POST",
    /^\/api\/sales\/(\d+)\/finalize$/,
    (world, match) => {
      const sale = world.sales.find((one) => one.number === Number(match[1]));
      if (sale && sale.lines.length === 0) return ok({ detail: `sale ${sale.number} has no pieces` }, 422);
      return changeSale(world, Number(match[1]), (found) => ({ ...found, state: "finalized" }));
    },
  ],
  [
    "POST",
    /^\/api\/sales\/(\d+)\/returns$/,
    (world, match, _url, body: ReturnIn) =>
      changeSale(world, Number(match[1]), (sale) => ({
        ...sale,
        lines: sale.lines.map((line) =>
          line.item === body.item ? { ...line, returned: { day: body.day, refund: body.refund, restocked: body.restock, reason: body.reason } } : line,
        ),
      })),
  ],
  [
    "GET",
    /^\/api\/reports\/(\d+)$/,
    (_world, match) => {
      const empty = (month: number): Month => ({ month, pieces: 0, revenue: 0, refunds: 0, cost: 0, profit: 0 });
      const months = Array.from({ length: 12 }, (_, index) => empty(index + 1));
      if (match[1] === "2026") months[3] = { month: 4, pieces: 2, revenue: 5500, refunds: 500, cost: 3200, profit: 1800 };
      return ok(months);
    },
  ],
  ["GET", /^\/api\/products$/, (world) => ok(world.products)],
  [
    "POST",
    /^\/api\/products$/,
    (world, _match, _url, body: Pick<Product, "sku" | "title" | "category">) => {
      if (world.products.some((product) => product.sku === body.sku)) return ok({ detail: `product ${body.sku} exists` }, 409);
      const product: Product = { ...body, variant: "", attributes: {}, label: body.title };
      world.products = [...world.products, product];
      return ok(product, 201);
    },
  ],
  [
    "GET",
    /^\/api\/dashboard$/,
    (world, _match, url) => {
      const year = Number(url.searchParams.get("year"));
      const items = { in_stock: 0, listed: 0, sold: 0, written_off: 0 };
      for (const item of world.items) items[item.status] += 1;
      const ours = world.items.filter((item) => item.status === "in_stock" || item.status === "listed");
      const trips = world.purchases.flatMap((purchase) => purchase.trips).filter((trip) => trip.day.startsWith(String(year)));
      return ok({
        items,
        value: ours.reduce((sum, item) => sum + item.cost, 0),
        drafts: world.purchases.filter((purchase) => purchase.state === "draft").length,
        year,
        kilometres: trips.reduce((sum, trip) => sum + trip.kilometres, 0),
      });
    },
  ],
  ["GET", /^\/api\/purchases$/, (world) => ok([...world.purchases].reverse())],
  [
    "GET",
    /^\/api\/inventory$/,
    (world, _match, url) => {
      const q = (url.searchParams.get("q") ?? "").toLowerCase();
      const status = url.searchParams.get("status");
      const items = world.items.filter((item) => (!status || item.status === status) && `${item.sku} ${item.label}`.toLowerCase().includes(q));
      return ok({ items, value: items.reduce((sum, item) => sum + item.cost, 0) });
    },
  ],
  [
    "POST",
    /^\/api\/inventory\/(\d+)\/move$/,
    (world, match, _url, body: { status: InventoryItem["status"] }) => {
      const item = world.items.find((one) => one.number === Number(match[1]));
      if (!item) return ok({ detail: `there is no item ${match[1]}` }, 404);
      if (item.status === "sold") return ok({ detail: `item ${item.number} is sold` }, 409);
      world.items = world.items.map((one) => (one === item ? { ...item, status: body.status } : one));
      return ok({ ...item, status: body.status });
    },
  ],
  [
    "POST",
    /^\/api\/purchases$/,
    (world, _match, _url, body: { seller: string; day: string }) => {
      const purchase: Purchase = { number: world.purchases.length + 1, ...body, state: "draft", lines: [], trips: [], goods: 0, travel: 0 };
      world.purchases = [...world.purchases, purchase];
      return ok(purchase, 201);
    },
  ],
  [
    "POST",
    /^\/api\/purchases\/(\d+)\/lines$/,
    (world, match, _url, body: Purchase["lines"][number]) => change(world, Number(match[1]), (purchase) => ({
      ...purchase,
      lines: [...purchase.lines, body],
      goods: purchase.goods + body.quantity * body.unit_cost,
    })),
  ],
  [
    "POST",
    /^\/api\/purchases\/(\d+)\/trips$/,
    (world, match, _url, body: Purchase["trips"][number]) => change(world, Number(match[1]), (purchase) => ({
      ...purchase,
      trips: [...purchase.trips, body],
      travel: purchase.travel + body.kilometres * 30,
    })),
  ],
  [
    "POST",
    /^\/api\/purchases\/(\d+)\/finalize$/,
    (world, match) => {
      const purchase = world.purchases.find((one) => one.number === Number(match[1]));
      if (purchase && purchase.lines.length === 0) return ok({ detail: `purchase ${purchase.number} has no lines` }, 422);
      return change(world, Number(match[1]), (found) => ({ ...found, state: "finalized" }));
    },
  ],
];

function rowsOf(world: World, file: ListingFile): FileRow[] {
  const [, ...lines] = file.text.trim().split("\n");
  return lines.map((text, index) => {
    const [reference = "", sku = "", price = "0"] = text.split(",");
    const item = world.items.find((one) => one.sku === sku && one.status === "in_stock");
    const row = { line: index + 2, reference, sku, price: Number(price) * 100 };
    return item ? { ...row, outcome: "new", item: item.number, why: "" } : { ...row, outcome: "refused", item: null, why: `no piece of ${sku} is in stock` };
  });
}

function changeSale(world: World, number: number, next: (sale: Sale) => Sale): Answer {
  const sale = world.sales.find((one) => one.number === number);
  if (!sale) return ok({ detail: `there is no sale ${number}` }, 404);
  const changed = next(sale);
  const total = changed.lines.reduce((sum, line) => sum + line.price - (line.returned?.refund ?? 0), 0);
  world.sales = world.sales.map((one) => (one === sale ? { ...changed, total } : one));
  return ok({ ...changed, total }, 201);
}

function changeLead(world: World, number: number, next: Partial<Lead>): Answer {
  const lead = world.leads.find((one) => one.number === number);
  if (!lead) return ok({ detail: `there is no lead ${number}` }, 404);
  if (lead.state !== "open") return ok({ detail: `lead ${number} is ${lead.state}` }, 409);
  world.leads = world.leads.map((one) => (one === lead ? { ...lead, ...next } : one));
  return ok({ ...lead, ...next });
}

function change(world: World, number: number, next: (purchase: Purchase) => Purchase): Answer {
  const purchase = world.purchases.find((one) => one.number === number);
  if (!purchase) return ok({ detail: `there is no purchase ${number}` }, 404);
  const changed = next(purchase);
  world.purchases = world.purchases.map((one) => (one === purchase ? changed : one));
  return ok(changed, 201);
}

/** Puts a server in memory behind `fetch`; gives the requests it saw. `fail` answers a path with an error instead. */
export function serve(world: World, fail: Record<string, Answer> = {}): Seen[] {
  const seen: Seen[] = [];
  vi.stubGlobal("fetch", async (input: string | URL | Request, init?: RequestInit) => {
    const url = new URL(String(input instanceof Request ? input.url : input), "http://test");
    const method = init?.method ?? "GET";
    const body: unknown = init?.body ? JSON.parse(String(init.body)) : undefined;
    seen.push({ method, path: url.pathname + url.search, body });
    const planned = fail[url.pathname];
    const route = ROUTES.find(([verb, path]) => verb === method && path.test(url.pathname));
    const match = route && url.pathname.match(route[1]);
    const answer = planned ?? (route && match ? route[2](world, match, url, body as never) : ok({ detail: `no route ${method} ${url.pathname}` }, 404));
    return new Response(answer.status === 204 ? null : JSON.stringify(answer.body), { status: answer.status, headers: { "content-type": "application/json" } });
  });
  return seen;
}

/** Renders a page; gives a user who acts without delays. */
export function renderPage(page: ReactElement) {
  const client = new QueryClient({ defaultOptions: { queries: { retry: false, refetchOnWindowFocus: false, gcTime: Infinity } } });
  render(<QueryClientProvider client={client}>{page}</QueryClientProvider>);
  return userEvent.setup({ delay: null });
}

/** Chooses an option of a Radix select by its label. */
export async function choose(user: ReturnType<typeof userEvent.setup>, label: string, option: string) {
  await user.click(screen.getByRole("combobox", { name: label }));
  await user.click(await screen.findByRole("option", { name: option }));
}

/** Waits until something that is there is gone. */
export async function gone(query: () => HTMLElement | null) {
  if (query()) await waitForElementToBeRemoved(query, { timeout: FIND_TIMEOUT_MS });
}

/** A small world: two articles, one draft, three items. */
export function smallWorld(): World {
  return {
    products: [
      { sku: "BOOK-7", title: "Atlas", category: "books", variant: "", attributes: {}, label: "Atlas" },
      { sku: "SNES-001", title: "Star Quest", category: "games", variant: "PAL", attributes: { region: "PAL", box: "yes" }, label: "Star Quest (PAL)" },
    ],
    purchases: [{ number: 1, seller: "Flea market", day: "2026-03-01", state: "draft", lines: [], trips: [], goods: 0, travel: 0 }],
    items: [
      { number: 1, sku: "SNES-001", label: "Star Quest (PAL)", cost: 1600, purchase: 1, status: "in_stock" },
      { number: 2, sku: "SNES-001", label: "Star Quest (PAL)", cost: 1600, purchase: 1, status: "listed" },
      { number: 3, sku: "BOOK-7", label: "Atlas", cost: 800, purchase: 1, status: "sold" },
    ],
    listings: [{ market: "bay", reference: "A-2", item: 2, sku: "SNES-001", label: "Star Quest (PAL)", price: 3000 }],
    leads: [{ number: 1, source: "Flea market", reference: "F-1", sku: "BOOK-7", asking: 400, worth: 900, margin: 500, state: "open", purchase: null, reason: "" }],
    sales: [{ number: 1, buyer: "Ann", day: "2026-04-01", state: "finalized", lines: [{ item: 3, price: 1200, returned: null }], total: 1200 }],
  };
}
