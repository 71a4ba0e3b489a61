import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { Begin } from "../lib/Begin";
import { Choice } from "../lib/Choice";
import { Sheet } from "../lib/Sheet";
import { api, type Sale, type SaleLine } from "../lib/api";
import { cents, euros } from "../lib/format";
import { keys } from "../lib/keys";
import { useChange } from "../lib/useChange";

const STALE = [keys.sales, keys.inventory, keys.dashboard, keys.listings, keys.report];

/** Sales with their pieces; a finalized one takes pieces back. */
export function Sales() {
  const sales = useQuery({ queryKey: keys.sales, queryFn: api.sales });
  return (
    <section aria-labelledby="sales-title">
      <h1 id="sales-title">Sales</h1>
      <Begin label="New sale" who="Buyer" create={api.createSale} stale={[keys.sales]} />
      {sales.isPending && <p role="status">Loading…</p>}
      {sales.isError && <p role="alert">{sales.error.message}</p>}
      {sales.data?.length === 0 && <p>No sale yet.</p>}
      {sales.data?.map((sale) => <Card key={sale.number} sale={sale} />)}
    </section>
  );
}

function Card({ sale }: { sale: Sale }) {
  const draft = sale.state === "draft";
  return (
    <article aria-label={`Sale ${sale.number}`}>
      <h2>
        {sale.buyer}, {sale.day}
      </h2>
      <p>
        {draft ? "Draft" : "Finalized"} · total {euros(sale.total)}
      </p>
      <ul aria-label="Pieces">
        {sale.lines.map((line) => (
          <li key={line.item}>
            Item {line.item} at {euros(line.price)}
            {line.returned && `, came back ${line.returned.restocked ? "to the shelf" : "broken"}: ${line.returned.reason}, ${euros(line.returned.refund)} paid back`}{" "}
            {!draft && !line.returned && <TakeBack sale={sale} line={line} />}
          </li>
        ))}
      </ul>
      {draft && (
        <>
          <AddPiece sale={sale} />
          <Finalize sale={sale} />
        </>
      )}
    </article>
  );
}

function AddPiece({ sale }: { sale: Sale }) {
  const [open, setOpen] = useState(false);
  const [item, setItem] = useState("");
  const [price, setPrice] = useState("");
  const listed = useQuery({ queryKey: keys.inventoryOf("", "listed"), queryFn: () => api.inventory("", "listed"), enabled: open });
  const asked = cents(price);
  const add = useChange(
    () => api.addPiece(sale.number, Number(item), asked ?? 0),
    [keys.sales],
    () => setOpen(false),
  );
  const free = (listed.data?.items ?? []).filter((one) => !sale.lines.some((line) => line.item === one.number));
  return (
    <Sheet title="Add piece" open={open} onOpen={setOpen}>
      <Choice label="Item" value={item} onChange={setItem} options={free.map((one) => ({ value: String(one.number), label: `${one.number}: ${one.label}` }))} />
      <label>
        Price <input inputMode="decimal" value={price} aria-invalid={price !== "" && asked === undefined} onChange={(event) => setPrice(event.target.value)} />
      </label>
      <button disabled={!item || asked === undefined || add.isPending} onClick={() => add.mutate(undefined)}>
        Save piece
      </button>
      {add.isError && <p role="alert">{add.error.message}</p>}
    </Sheet>
  );
}

function Finalize({ sale }: { sale: Sale }) {
  const [open, setOpen] = useState(false);
  const finalize = useChange(
    () => api.finalizeSale(sale.number),
    STALE,
    () => setOpen(false),
  );
  return (
    <Sheet title="Finalize sale" open={open} onOpen={setOpen}>
      <p>After this every piece is sold.</p>
      <button disabled={finalize.isPending} onClick={() => finalize.mutate(undefined)}>
        Yes, sell
      </button>
      {finalize.isError && <p role="alert">{finalize.error.message}</p>}
    </Sheet>
  );
}

function TakeBack({ sale, line }: { sale: Sale; line: SaleLine }) {
  const [open, setOpen] = useState(false);
  const [day, setDay] = useState("");
  const [refund, setRefund] = useState("");
  const [reason, setReason] = useState("");
  const [restock, setRestock] = useState(true);
  const paid = cents(refund);
  const back = useChange(
    () => api.takeBack(sale.number, { item: line.item, day, refund: paid ?? 0, restock, reason: reason.trim() }),
    STALE,
    () => setOpen(false),
  );
  return (
    <Sheet title={`Return item ${line.item}`} open={open} onOpen={setOpen}>
      <label>
        Day <input type="date" value={day} onChange={(event) => setDay(event.target.value)} />
      </label>
      <label>
        Refund <input inputMode="decimal" value={refund} aria-invalid={refund !== "" && paid === undefined} onChange={(event) => setRefund(event.target.value)} />
      </label>
      <label>
        Reason <input value={reason} onChange={(event) => setReason(event.target.value)} />
      </label>
      <label>
        <input type="checkbox" checked={restock} onChange={(event) => setRestock(event.target.checked)} /> Back to the shelf
      </label>
      <button disabled={!day || paid === undefined || !reason.trim() || back.isPending} onClick={() => back.mutate(undefined)}>
        Take back
      </button>
      {back.isError && <p role="alert">{back.error.message}</p>}
    </Sheet>
  );
}
