import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { Choice } from "../lib/Choice";
import { api, type InventoryItem, type ItemStatus } from "../lib/api";
import { NEXT, STATUS_LABEL, count, euros } from "../lib/format";
import { Copy } from "../lib/Copy";
import { keys } from "../lib/keys";
import { useView } from "../lib/storage";
import { makeStale } from "../lib/useChange";

const STATES = ["all", "in_stock", "listed", "sold", "written_off"] as const;
const FILTERS = [{ value: "all", label: "All" }, ...Object.entries(STATUS_LABEL).map(([value, label]) => ({ value, label }))];

/** What is on the shelves, with search, filter and moves. */
export function Inventory() {
  const [q, setQ] = useState("");
  const [status, setStatus] = useView<ItemStatus | "all">("inventory", STATES, "all");
  const inventory = useQuery({ queryKey: keys.inventoryOf(q, status), queryFn: () => api.inventory(q, status), placeholderData: (before) => before });
  return (
    <section aria-labelledby="inventory-title">
      <h1 id="inventory-title">Inventory</h1>
      <label>
        Search <input type="search" value={q} onChange={(event) => setQ(event.target.value)} />
      </label>
      <Choice label="Status" value={status} options={FILTERS} onChange={(value) => setStatus(value as ItemStatus | "all")} />
      {inventory.isPending && <p role="status">Loading…</p>}
      {inventory.isError && <p role="alert">{inventory.error.message}</p>}
      {inventory.data && <Items items={inventory.data.items} value={inventory.data.value} />}
    </section>
  );
}

function Items({ items, value }: { items: InventoryItem[]; value: number }) {
  if (items.length === 0) return <p>Nothing matches.</p>;
  return (
    <>
      <table>
        <caption>{count(items.length, "item")}</caption>
        <thead>
          <tr>
            <th>No.</th>
            <th>Article</th>
            <th>Cost</th>
            <th>Status</th>
            <th>Move to</th>
          </tr>
        </thead>
        <tbody>
          {items.map((item) => (
            <Row key={item.number} item={item} />
          ))}
        </tbody>
      </table>
      <p>
        Value {euros(value)} <Copy label="Copy as CSV" text={csv(items)} />
      </p>
    </>
  );
}

function csv(items: InventoryItem[]): string {
  const rows = items.map((item) => [item.number, item.sku, item.cost, item.status].join(","));
  return ["number,sku,cost,status", ...rows].join("\n");
}

function Row({ item }: { item: InventoryItem }) {
  const client = useQueryClient();
  const move = useMutation({
    mutationFn: (to: ItemStatus) => api.move(item.number, to),
    onSettled: () => makeStale(client, keys.inventory),
  });
  return (
    <tr>
      <td>{item.number}</td>
      <td>{item.label}</td>
      <td>{euros(item.cost)}</td>
      <td>{STATUS_LABEL[item.status]}</td>
      <td>
        {NEXT[item.status].map((to) => (
          <button key={to} disabled={move.isPending} onClick={() => move.mutate(to)}>
            {STATUS_LABEL[to]}
          </button>
        ))}
        {move.isError && <span role="alert">{move.error.message}</span>}
      </td>
    </tr>
  );
}
