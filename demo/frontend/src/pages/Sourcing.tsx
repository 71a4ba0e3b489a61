import { useQuery } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";

import { Sheet } from "../lib/Sheet";
import { api, type Lead, type Offer } from "../lib/api";
import { LEAD_LABEL, cents, count, euros } from "../lib/format";
import { keys } from "../lib/keys";
import { useChange } from "../lib/useChange";

/** Offers that are worth buying: found, bought or left. */
export function Sourcing() {
  const leads = useQuery({ queryKey: keys.leads, queryFn: api.leads });
  return (
    <section aria-labelledby="sourcing-title">
      <h1 id="sourcing-title">Sourcing</h1>
      <Run />
      {leads.isPending && <p role="status">Loading…</p>}
      {leads.isError && <p role="alert">{leads.error.message}</p>}
      {leads.data?.length === 0 && <p>No lead yet.</p>}
      {leads.data && leads.data.length > 0 && (
        <table>
          <caption>{count(leads.data.length, "lead")}</caption>
          <thead>
            <tr>
              <th>Offer</th>
              <th>Article</th>
              <th>Asking</th>
              <th>Worth</th>
              <th>Margin</th>
              <th>State</th>
              <th>Decide</th>
            </tr>
          </thead>
          <tbody>
            {leads.data.map((lead) => (
              <Row key={lead.number} lead={lead} />
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

/** Offers as a person types them: a reference, an article and a price a line; undefined when a line is none. */
export function offers(text: string): Offer[] | undefined {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const found = lines.map((line) => {
    const [reference = "", sku = "", price = "", ...more] = line.split(/[;\t]/).map((part) => part.trim());
    const asking = cents(price);
    return reference && sku && asking !== undefined && more.length === 0 ? { reference, sku, asking } : undefined;
  });
  return found.length > 0 && found.every((offer) => offer !== undefined) ? found : undefined;
}

function Run() {
  const [source, setSource] = useState("");
  const [text, setText] = useState("");
  const [margin, setMargin] = useState("30");
  const asked = offers(text);
  const percent = /^\d{1,2}$/.test(margin) ? Number(margin) : undefined;
  const run = useChange(
    () => api.source(source.trim(), asked ?? [], percent ?? 0),
    [keys.leads],
    () => setText(""),
  );
  const submit = (event: FormEvent) => {
    event.preventDefault();
    run.mutate(undefined);
  };
  return (
    <form aria-label="Run" onSubmit={submit}>
      <label>
        Source <input value={source} onChange={(event) => setSource(event.target.value)} />
      </label>
      <label>
        Margin in percent <input inputMode="numeric" value={margin} aria-invalid={percent === undefined} onChange={(event) => setMargin(event.target.value)} />
      </label>
      <label className="wide">
        Offers{" "}
        <textarea rows={3} value={text} placeholder="reference; article; price" aria-invalid={text !== "" && !asked} onChange={(event) => setText(event.target.value)} />
      </label>
      <button disabled={!source.trim() || !asked || percent === undefined || run.isPending}>Run</button>
      {run.isError && <p role="alert">{run.error.message}</p>}
      {run.data && (
        <p role="status">
          {count(run.data.leads.length, "lead")}; {run.data.known} known, {run.data.not_worth_it} not worth it, {run.data.passed_over} passed over
        </p>
      )}
    </form>
  );
}

function Row({ lead }: { lead: Lead }) {
  return (
    <tr aria-label={`Lead ${lead.number}`}>
      <td>
        {lead.source}, {lead.reference}
      </td>
      <td>{lead.sku}</td>
      <td>{euros(lead.asking)}</td>
      <td>{euros(lead.worth)}</td>
      <td>{euros(lead.margin)}</td>
      <td>
        {LEAD_LABEL[lead.state]}
        {lead.purchase !== null && ` as purchase ${lead.purchase}`}
        {lead.reason && `: ${lead.reason}`}
      </td>
      <td>
        {lead.state === "open" && (
          <>
            <Convert lead={lead} /> <Discard lead={lead} />
          </>
        )}
      </td>
    </tr>
  );
}

function Convert({ lead }: { lead: Lead }) {
  const [open, setOpen] = useState(false);
  const [day, setDay] = useState("");
  const convert = useChange(
    () => api.convert(lead.number, day),
    [keys.leads, keys.purchases, keys.dashboard],
    () => setOpen(false),
  );
  return (
    <Sheet title="Convert to purchase" open={open} onOpen={setOpen}>
      <label>
        Day <input type="date" value={day} onChange={(event) => setDay(event.target.value)} />
      </label>
      <button disabled={!day || convert.isPending} onClick={() => convert.mutate(undefined)}>
        Buy it
      </button>
      {convert.isError && <p role="alert">{convert.error.message}</p>}
    </Sheet>
  );
}

function Discard({ lead }: { lead: Lead }) {
  const [open, setOpen] = useState(false);
  const [reason, setReason] = useState("");
  const discard = useChange(
    () => api.discardLead(lead.number, reason.trim()),
    [keys.leads],
    () => setOpen(false),
  );
  return (
    <Sheet title="Discard" open={open} onOpen={setOpen}>
      <label>
        Reason <input value={reason} onChange={(event) => setReason(event.target.value)} />
      </label>
      <button disabled={!reason.trim() || discard.isPending} onClick={() => discard.mutate(undefined)}>
        Leave it
      </button>
      {discard.isError && <p role="alert">{discard.error.message}</p>}
    </Sheet>
  );
}
