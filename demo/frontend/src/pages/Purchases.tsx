import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { Begin } from "../lib/Begin";
import { Choice } from "../lib/Choice";
import { Sheet } from "../lib/Sheet";
import { api, type Purchase } from "../lib/api";
import { cents, euros } from "../lib/format";
import { keys } from "../lib/keys";
import { useChange } from "../lib/useChange";

const STALE = [keys.purchases, keys.dashboard];

/** Purchases with their lines and trips; a draft is finalized after a question. */
export function Purchases() {
  const purchases = useQuery({ queryKey: keys.purchases, queryFn: api.purchases });
  return (
    <section aria-labelledby="purchases-title">
      <h1 id="purchases-title">Purchases</h1>
      <Begin label="New purchase" who="Seller" create={api.createPurchase} stale={STALE} />
      {purchases.isPending && <p role="status">Loading…</p>}
      {purchases.isError && <p role="alert">{purchases.error.message}</p>}
      {purchases.data?.length === 0 && <p>No purchase yet.</p>}
      {purchases.data?.map((purchase) => <Card key={purchase.number} purchase={purchase} />)}
    </section>
  );
}

function Card({ purchase }: { purchase: Purchase }) {
  const draft = purchase.state === "draft";
  return (
    <article aria-label={`Purchase ${purchase.number}`}>
      <h2>
        {purchase.seller}, {purchase.day}
      </h2>
      <p>
        {draft ? "Draft" : "Finalized"} · goods {euros(purchase.goods)} · travel {euros(purchase.travel)}
      </p>
      <ul aria-label="Lines">
        {purchase.lines.map((line, index) => (
          <li key={index}>
            {line.quantity} × {line.sku} at {euros(line.unit_cost)}
          </li>
        ))}
      </ul>
      <ul aria-label="Trips">
        {purchase.trips.map((trip, index) => (
          <li key={index}>
            {trip.day}: {trip.kilometres} km, {trip.purpose}
          </li>
        ))}
      </ul>
      {draft && (
        <>
          <AddLine purchase={purchase} />
          <AddTrip purchase={purchase} />
          <Finalize purchase={purchase} />
        </>
      )}
    </article>
  );
}

function AddLine({ purchase }: { purchase: Purchase }) {
  const [open, setOpen] = useState(false);
  const [sku, setSku] = useState("");
  const [quantity, setQuantity] = useState("1");
  const [price, setPrice] = useState("");
  const products = useQuery({ queryKey: keys.products, queryFn: api.products, enabled: open });
  const unitCost = cents(price);
  const pieces = /^[1-9]\d{0,3}$/.test(quantity) ? Number(quantity) : undefined;
  const add = useChange(
    () => api.addLine(purchase.number, { sku, quantity: pieces ?? 0, unit_cost: unitCost ?? 0 }),
    STALE,
    () => setOpen(false),
  );
  return (
    <Sheet title="Add line" open={open} onOpen={setOpen}>
      <Choice label="Article" value={sku} onChange={setSku} options={(products.data ?? []).map((product) => ({ value: product.sku, label: product.label }))} />
      <label>
        Quantity <input inputMode="numeric" value={quantity} onChange={(event) => setQuantity(event.target.value)} />
      </label>
      <label>
        Price <input inputMode="decimal" value={price} onChange={(event) => setPrice(event.target.value)} aria-invalid={price !== "" && unitCost === undefined} />
      </label>
      <button disabled={!sku || !pieces || unitCost === undefined || add.isPending} onClick={() => add.mutate(undefined)}>
        Save line
      </button>
      {add.isError && <p role="alert">{add.error.message}</p>}
    </Sheet>
  );
}

function AddTrip({ purchase }: { purchase: Purchase }) {
  const [open, setOpen] = useState(false);
  const [kilometres, setKilometres] = useState("");
  const [purpose, setPurpose] = useState("");
  const distance = /^[1-9]\d{0,3}$/.test(kilometres) ? Number(kilometres) : undefined;
  const add = useChange(
    () => api.addTrip(purchase.number, { day: purchase.day, kilometres: distance ?? 0, purpose: purpose.trim() }),
    STALE,
    () => setOpen(false),
  );
  return (
    <Sheet title="Add trip" open={open} onOpen={setOpen}>
      <label>
        Kilometres <input inputMode="numeric" value={kilometres} onChange={(event) => setKilometres(event.target.value)} />
      </label>
      <label>
        Purpose <input value={purpose} onChange={(event) => setPurpose(event.target.value)} />
      </label>
      <button disabled={!distance || !purpose.trim() || add.isPending} onClick={() => add.mutate(undefined)}>
        Save trip
      </button>
      {add.isError && <p role="alert">{add.error.message}</p>}
    </Sheet>
  );
}

function Finalize({ purchase }: { purchase: Purchase }) {
  const [open, setOpen] = useState(false);
  const finalize = useChange(
    () => api.finalize(purchase.number),
    [...STALE, keys.inventory],
    () => setOpen(false),
  );
  return (
    <Sheet title="Finalize" open={open} onOpen={setOpen}>
      <p>After this, lines and trips are fixed and every piece is in stock.</p>
      <button disabled={finalize.isPending} onClick={() => finalize.mutate(undefined)}>
        Yes, finalize
      </button>
      {finalize.isError && <p role="alert">{finalize.error.message}</p>}
    </Sheet>
  );
}
